//! A process is killed at each command by which an order goes on: before the command takes effect,
//! after the effect and before the answer, and after the answer.
//!
//! One system goes through all of these kills. At each kill some orders are under way that end in
//! each of the three ways, and products are made and restocked. Every request has a key, and its
//! client repeats it until it is answered. `CRASH_REPEATS` says how often the test goes through all
//! kills.

use std::time::Instant;

use futures_util::future::join_all;
use proof::links::Links;
use proof::proxy::{Moment, Proxy, Trap};
use reqwest::{Method, RequestBuilder};
use serde_json::json;
use shared::contract::event::{Event, RefundOrder};
use shared::contract::id::{OrderId, ProductId};
use stack::{project, redis};

use crate::harness::{Answer, LIMIT, Shop, insist};

use points::{POINTS, Point, To};

mod points;

/// The links of this test do nothing at random, so any seed will do.
const SEED: u64 = 1;
const DEFAULT_REPEATS: usize = 2;
/// Long enough to cancel an order in time if no process is killed.
const DELAY: &str = "150ms";

/// The stock of each product at the beginning, and how much of it is added later.
const STOCK: u32 = 100;
const RESTOCK: u32 = 10;
/// Pieces of the scarce product, and of each order: one order gets all of them.
const SCARCE: u32 = 3;
const WANTED: u32 = 2;
/// Orders of each kind.
const ORDERS: usize = 2;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_order_is_lost_or_done_twice_at_whatever_command_a_process_is_killed() {
    let repeats = project::variable("CRASH_REPEATS").map_or(DEFAULT_REPEATS, |text| {
        text.to_str().unwrap().parse().unwrap()
    });
    let builder = Shop::builder().env("COMPLETION_DELAY", DELAY);
    let (builder, links) = Links::put_into(builder, SEED);
    let shop = Shop::start(builder).await;
    let started = Instant::now();
    let (mut kills, mut orders) = (0, 0);
    for _ in 0..repeats {
        for (point, moment) in POINTS
            .iter()
            .flat_map(|point| Moment::ALL.map(|at| (point, at)))
        {
            let run = Run::new(
                &shop,
                &links,
                format!("{}: {moment:?} {}", point.process, point.command),
            );
            orders += run.go(point, moment).await;
            kills += 1;
            let known = shop
                .payments
                .ask("ZRANGE", &["orders", "0", "-1"])
                .await
                .texts()
                .unwrap();
            let known: usize = known
                .iter()
                .map(|together| together.split(' ').count())
                .sum();
            assert_eq!(known as u64, orders, "{}: one order for each key", run.name);
        }
    }
    eprintln!("{kills} kills, {orders} orders, {:?}", started.elapsed());
    assert_eq!(kills, POINTS.len() * Moment::ALL.len() * repeats);
}

/// One kill.
struct Run<'a> {
    shop: &'a Shop,
    links: &'a Links,
    name: String,
    /// The keys of its requests begin with this text.
    key: String,
}

/// The answers that the client got.
struct Outcome {
    ample: ProductId,
    scarce: ProductId,
    paid: Vec<OrderId>,
    contested: Vec<OrderId>,
    /// Each order with the status of its cancellation.
    cancelled: Vec<(OrderId, u16)>,
}

impl<'a> Run<'a> {
    fn new(shop: &'a Shop, links: &'a Links, name: String) -> Self {
        Self {
            shop,
            links,
            name,
            key: OrderId::mint().to_string(),
        }
    }

    /// Kills the process at that point in the middle of the work. Returns the number of new orders.
    async fn go(&self, point: &Point, moment: Moment) -> u64 {
        let shop = self.shop;
        let ample = shop.create_product("ample", STOCK).await;
        let scarce = shop.create_product("scarce", SCARCE).await;
        let trap = self
            .link(point)
            .arm(Trap::at(point.command, moment).telling(point.telling));
        let kill = async {
            let sprung = trap.sprung(LIMIT).await;
            sprung.unwrap_or_else(|error| panic!("{}: {error}", self.name));
            let process = shop.system.process(point.process);
            process.kill();
            process.restart().unwrap();
        };
        let (outcome, ()) = tokio::join!(self.work(ample, scarce, point), kill);
        shop.system.wait_process_ready(point.process).await.unwrap();
        shop.assert_quiet().await;
        self.check(&outcome).await;
        (outcome.paid.len() + outcome.contested.len() + outcome.cancelled.len()) as u64
    }

    fn link(&self, point: &Point) -> std::sync::Arc<Proxy> {
        let links = self.links;
        let (own, other) = if point.process.starts_with("payments") {
            (redis::Owner::Payments, redis::Owner::Inventory)
        } else {
            (redis::Owner::Inventory, redis::Owner::Payments)
        };
        match point.to {
            To::Store => links.to_store(point.process, own),
            To::OtherStore => links.to_store(point.process, other),
            To::Inventory => links.to_inventory_http(point.process),
        }
    }

    async fn work(&self, ample: ProductId, scarce: ProductId, point: &Point) -> Outcome {
        // While inventory's API is down, payments opens its breaker after some failures, and then
        // refuses orders for longer than a test should take. So the orders come first here.
        if point.process == "inventory serve" {
            let outcome = self.order(ample, scarce).await;
            self.change_products(ample).await;
            return outcome;
        }
        tokio::join!(self.order(ample, scarce), self.change_products(ample)).0
    }

    async fn order(&self, ample: ProductId, scarce: ProductId) -> Outcome {
        let place = async |kind: &str, index: usize, product: ProductId| {
            let request = self.shop.order_request(product, WANTED);
            let placed = self.insist(&request, &format!("{kind}-{index}")).await;
            placed.expect(201).text("id").parse().unwrap()
        };
        let place = &place;
        let paid = join_all((0..ORDERS).map(|index| place("paid", index, ample)));
        let contested = join_all((0..ORDERS).map(|index| place("contested", index, scarce)));
        let cancelled = join_all((0..ORDERS).map(async |index| {
            let id = place("cancelled", index, ample).await;
            let path = format!("/orders/{id}/cancel");
            let request = self.shop.to_payments(Method::POST, &path);
            (
                id,
                self.insist(&request, &format!("cancel-{index}"))
                    .await
                    .status,
            )
        }));
        let (paid, contested, cancelled) = tokio::join!(paid, contested, cancelled);
        Outcome {
            ample,
            scarce,
            paid,
            contested,
            cancelled,
        }
    }

    /// Restocks a product and makes another one. Each of the two requests is sent twice with one
    /// key.
    async fn change_products(&self, ample: ProductId) {
        let path = format!("/products/{ample}/restock");
        let restock = self.shop.to_inventory(Method::POST, &path);
        let restock = restock.json(&json!({"quantity": RESTOCK}));
        let create = self.shop.to_inventory(Method::POST, "/products");
        let create = create.json(&json!({"name": self.name, "price": "1.00", "quantity": 1}));
        let twice = async |request: &RequestBuilder, key: &str, status: u16| {
            let first = self.insist(request, key).await.expect(status);
            let second = self.insist(request, key).await.expect(status);
            assert_eq!(first.body, second.body, "{}", self.name);
        };
        tokio::join!(
            twice(&restock, "restock", 200),
            twice(&create, "create", 201)
        );
    }

    async fn insist(&self, request: &RequestBuilder, key: &str) -> Answer {
        insist(request, &format!("{}-{key}", self.key)).await
    }

    async fn check(&self, outcome: &Outcome) {
        let (shop, name) = (self.shop, &self.name);
        let statuses = async |orders: &[OrderId]| {
            let orders = join_all(orders.iter().map(|id| shop.order(*id))).await;
            orders
                .iter()
                .map(|order| order["status"].as_str().unwrap().to_owned())
                .collect()
        };
        let paid: Vec<String> = statuses(&outcome.paid).await;
        assert!(
            paid.iter().all(|status| status == "paid"),
            "{name}: {paid:?}"
        );

        let mut contested: Vec<String> = statuses(&outcome.contested).await;
        contested.sort_unstable();
        assert_eq!(contested, ["paid", "refunded"], "{name}");
        let left = u64::from(SCARCE - WANTED);
        assert_eq!(shop.stock(outcome.scarce).await, left, "{name}");
        assert_eq!(shop.movements(outcome.scarce).await, 1 + 1, "{name}");

        let ids: Vec<OrderId> = outcome.cancelled.iter().map(|(id, _)| *id).collect();
        let cancelled: Vec<String> = statuses(&ids).await;
        for ((id, answer), status) in outcome.cancelled.iter().zip(&cancelled) {
            let expected = if *answer == 200 { "cancelled" } else { "paid" };
            assert_eq!(status, expected, "{name}: {id} was answered {answer}");
        }
        let late = cancelled.iter().filter(|status| *status == "paid").count();
        let sold = outcome.paid.len() + late;
        let stock = u64::from(STOCK + RESTOCK) - u64::from(WANTED) * sold as u64;
        assert_eq!(shop.stock(outcome.ample).await, stock, "{name}");
        let movements = shop.movements(outcome.ample).await;
        assert_eq!(
            movements,
            1 + 1 + sold as u64,
            "{name}: made, restocked, and each sale"
        );

        let refused = shop.inventory.column(RefundOrder::STREAM, "order_id").await;
        let refused = |id: &OrderId| refused.contains(&id.to_string());
        let refused = outcome.contested.iter().filter(|id| refused(id)).count();
        assert_eq!(
            refused, 1,
            "{name}: what is refunded was refused, and nothing else"
        );
        for store in [&shop.inventory, &shop.payments] {
            let attempts = store.ask("HLEN", &["attempts"]).await.unsigned().unwrap();
            assert_eq!(attempts, 0, "{name}: no count of attempts is left");
        }
    }
}
