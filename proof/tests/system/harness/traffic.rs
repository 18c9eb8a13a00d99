//! Clients that place orders all the time, also while parts fail.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use reqwest::RequestBuilder;
use shared::contract::id::{OrderId, ProductId};
use stack::process::Process;
use stack::wait::{eventually, wait_for};
use tokio::task::JoinSet;

use super::{Answer, LIMIT, Shop};

/// Clients at work. Each order has a key, and its client repeats the request until the order is
/// accepted.
pub(crate) struct Traffic {
    clients: JoinSet<()>,
    accepted: Arc<Mutex<Vec<Accepted>>>,
    stop: Arc<AtomicBool>,
}

/// An order, and the key with which it was placed.
#[derive(Clone, Debug)]
pub(crate) struct Accepted {
    pub(crate) key: String,
    pub(crate) id: OrderId,
}

impl Traffic {
    /// Starts clients. Each of them orders one piece after the other.
    pub(crate) fn start(shop: &Shop, product: ProductId, clients: usize) -> Self {
        let service = shop.system.process("payments serve");
        Self::repeat(&shop.order_request(product, 1), &service, clients)
    }

    /// Starts clients that send this request to `service` again and again, each time with a new
    /// key.
    pub(crate) fn repeat(request: &RequestBuilder, service: &Arc<Process>, clients: usize) -> Self {
        let mut traffic = Self {
            clients: JoinSet::new(),
            accepted: Arc::default(),
            stop: Arc::default(),
        };
        // A prefix that keeps the keys of other clients of this product apart.
        let run = OrderId::mint();
        for client in 0..clients {
            let (request, service) = (request.try_clone().unwrap(), service.clone());
            let (accepted, ending) = (traffic.accepted.clone(), traffic.stop.clone());
            traffic.clients.spawn(async move {
                for number in 0.. {
                    if ending.load(Ordering::Relaxed) {
                        return;
                    }
                    let key = format!("{run}-client-{client}-order-{number}");
                    let answer = insist(&request, &key).await;
                    assert_eq!(answer.status, 201, "{answer:?}\n{}", errors(&service));
                    let id = answer.text("id").parse().unwrap();
                    accepted.lock().unwrap().push(Accepted { key, id });
                }
            });
        }
        traffic
    }

    /// Waits until this many more orders are accepted.
    pub(crate) async fn more(&self, orders: usize) {
        let count = || self.accepted.lock().unwrap().len();
        let enough = count() + orders;
        eventually("more orders to be accepted", async || count() >= enough).await;
    }

    /// Waits until each client has finished its order, and returns all orders.
    pub(crate) async fn stop(mut self) -> Vec<Accepted> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.clients.join_next().await {
            ended.unwrap();
        }
        self.accepted.lock().unwrap().clone()
    }
}

/// Repeats a request with its key until the answer is final.
pub(crate) async fn insist(request: &RequestBuilder, key: &str) -> Answer {
    let answered = wait_for("more than \"not now\"", LIMIT, || async {
        let request = request.try_clone().unwrap();
        match Answer::attempt(request.header("Idempotency-Key", key)).await {
            Ok(answer) if matches!(answer.status, 503 | 504) => None,
            // The earlier request with this key is still under way.
            Ok(answer) if answer.is_in_progress() => None,
            Ok(answer) => Some(answer),
            // The process is restarting.
            Err(error) => {
                assert!(!error.is_timeout(), "{error}");
                None
            }
        }
    });
    answered.await.unwrap()
}

/// The errors in the log of the service.
fn errors(service: &Process) -> String {
    let mut lines = service.last_lines(usize::MAX);
    lines.retain(|line| line.contains(" ERROR "));
    lines.join("\n")
}
