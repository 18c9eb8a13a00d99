//! A thousand clients watch and a thousand wait, and all other clients are served as usual.

use std::fs;

use futures_util::StreamExt;
use futures_util::future::join_all;
use futures_util::stream::{FuturesUnordered, iter};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use reqwest::{Client, Method};
use shared::contract::id::{OrderId, ProductId};
use stack::events::Events;
use stack::process::Process;
use stack::wait::eventually;
use tokio::task::JoinSet;

use crate::harness::live::{Told, next};
use crate::harness::{Answer, Shop, Store, client};

/// The number of live streams, and of long polls.
const CROWD: usize = 1_000;
/// The number of orders that the long polls wait for, and of orders that are placed meanwhile.
/// Every watching client is told of each order.
const ORDERS: usize = 20;
/// The most requests of a test at the same time.
const AT_ONCE: usize = 64;
/// Sockets of a process that belong to no client of the crowd: its listener, its stores, and
/// connections that clients keep for their next request.
const OWN_SOCKETS: usize = 200;

/// All clients that watch or wait. When it is dropped, all of them are disconnected.
struct Crowd {
    streams: Vec<Events>,
    polls: JoinSet<Answer>,
}

impl Crowd {
    /// Opens all streams, and sends the long polls for these orders.
    async fn gather(shop: &Shop, orders: &[OrderId]) -> Self {
        let visitor = client();
        let url = format!("{}/orders", shop.system.payments_url());
        let open = |_| Events::open(visitor.get(format!("{url}/stream")));
        let streams: Vec<_> = iter(0..CROWD).map(open).buffered(AT_ONCE).collect().await;
        let streams: Vec<_> = streams.into_iter().map(Result::unwrap).collect();
        let mut polls = JoinSet::new();
        for order in orders.iter().cycle().take(CROWD) {
            polls.spawn(wait(visitor.clone(), format!("{url}/{order}?wait=final")));
        }
        let serve = shop.system.process("payments serve");
        eventually("all connections", async || sockets(&serve) >= 2 * CROWD).await;
        Self { streams, polls }
    }

    /// Every stream tells of this order. `kind` is the next event about it.
    async fn assert_told(&mut self, order: OrderId, kind: &str) {
        let order = order.to_string();
        let mut told: FuturesUnordered<_> = self
            .streams
            .iter_mut()
            .map(|events| find(events, &order, kind))
            .collect();
        while told.next().await.is_some() {}
    }

    /// Every long poll is answered.
    async fn assert_answered(&mut self, status: &str) {
        let mut answers = 0;
        while let Some(answer) = self.polls.join_next().await {
            assert_eq!(answer.unwrap().text("status"), status);
            answers += 1;
        }
        assert_eq!(answers, CROWD);
    }
}

/// Waits like a client that asks again when its time is up.
async fn wait(visitor: Client, url: String) -> Answer {
    loop {
        let answer = Answer::patiently(visitor.get(&url)).await.expect(200);
        if answer.header("order-final") == "true" {
            return answer;
        }
    }
}

/// Reads until an event of this kind about this order.
async fn find(events: &mut Events, order: &str, kind: &str) {
    loop {
        let Told {
            kind: told, body, ..
        } = next(events).await;
        assert_ne!(told, "reset", "the stream was read all the time");
        if body["id"] == order && told == kind {
            return;
        }
    }
}

/// A process with this many clients needs more than the usual limit of 1,024 descriptors, and so
/// does this test.
pub(crate) fn make_room() {
    let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, hard, hard).unwrap();
}

fn sockets(process: &Process) -> usize {
    let descriptors = fs::read_dir(format!("/proc/{}/fd", process.pid())).unwrap();
    let links = descriptors.filter_map(|found| fs::read_link(found.unwrap().path()).ok());
    links
        .filter(|link| link.to_string_lossy().starts_with("socket:"))
        .count()
}

/// The number of connections from services to a store.
async fn connections(store: &Store) -> usize {
    let list = store.ask("CLIENT", &["LIST"]).await.text().unwrap();
    list.lines()
        .filter(|line| !line.contains("user=operator"))
        .count()
}

/// A system that pays nothing yet, and has room for crowds.
async fn open() -> Shop {
    make_room();
    let builder = Shop::builder()
        .env("RUST_LOG", "warn")
        .without("payments consume");
    // All of them come from one address, as those behind a proxy do.
    let builder = builder.env("MAX_CONNECTIONS_PER_ADDRESS", "4096");
    Shop::start(builder).await
}

async fn place_orders(shop: &Shop, product: ProductId, count: usize) -> Vec<OrderId> {
    let place = |_| async {
        let request = shop.order_request(product, 1);
        let key = OrderId::mint().to_string();
        let answer = Answer::patiently(request.header("idempotency-key", key)).await;
        answer.expect(201).text("id").parse::<OrderId>().unwrap()
    };
    iter(0..count).map(place).buffered(AT_ONCE).collect().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_thousand_clients_that_watch_or_wait_keep_no_other_from_being_served() {
    let shop = open().await;
    let product = shop.create_product("thing", 100_000).await;
    let before = (
        connections(&shop.payments).await,
        connections(&shop.inventory).await,
    );
    let serve = shop.system.process("payments serve");
    let consume = shop.system.process("payments consume");
    // The process has no room for a second crowd beside the first. So each crowd has to free its
    // connections.
    for leave_early in [true, false, true] {
        let orders = place_orders(&shop, product, ORDERS).await;
        let mut crowd = Crowd::gather(&shop, &orders).await;
        let order = place_orders(&shop, product, ORDERS).await[0];
        let get = || shop.to_payments(Method::GET, &format!("/orders/{order}"));
        for answer in join_all((0..AT_ONCE).map(|_| Answer::patiently(get()))).await {
            answer.expect(200);
        }
        crowd.assert_told(order, "order.created").await;
        let now = (
            connections(&shop.payments).await,
            connections(&shop.inventory).await,
        );
        assert_eq!(
            now, before,
            "no client has a connection to a store of its own"
        );
        if !leave_early {
            consume.restart().unwrap();
            let (answered, ()) = tokio::join!(place_orders(&shop, product, ORDERS), async {
                crowd.assert_answered("paid").await;
                crowd.assert_told(order, "order.paid").await;
            });
            assert_eq!(answered.len(), ORDERS);
            shop.wait_drained().await;
            consume.kill();
        }
        drop(crowd);
        eventually("all of them to be gone", async || {
            sockets(&serve) < OWN_SOCKETS
        })
        .await;
    }
    consume.restart().unwrap();
    shop.assert_quiet().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_orders_that_end_at_once_are_each_waited_for_and_new_ones_are_taken() {
    let shop = open().await;
    let product = shop.create_product("thing", 100_000).await;
    let orders = place_orders(&shop, product, CROWD).await;
    let visitor = client();
    let mut polls = JoinSet::new();
    for order in orders {
        let url = format!("{}/orders/{order}?wait=final", shop.system.payments_url());
        polls.spawn(wait(visitor.clone(), url));
    }
    let consume = shop.system.process("payments consume");
    consume.restart().unwrap();
    while let Some(answer) = polls.join_next().await {
        assert_eq!(answer.unwrap().text("status"), "paid");
        if polls.len() % 10 == 0 {
            place_orders(&shop, product, 1).await;
        }
    }
    shop.assert_quiet().await;
}
