//! Clients that go on ordering whatever happens to the system.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use reqwest::RequestBuilder;
use shared::contract::id::{OrderId, ProductId};
use stack::process::Process;
use stack::wait::{eventually, wait_for};
use tokio::task::JoinSet;

use super::{Answer, LIMIT, Shop};

/// Clients at work. Each order has a key, and is asked for with this key until it is accepted.
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
    /// Sets clients to work, each of which orders one piece after the other.
    pub(crate) fn start(shop: &Shop, product: ProductId, clients: usize) -> Self {
        let service = shop.system.process("payments serve");
        Self::repeat(&shop.order_request(product, 1), &service, clients)
    }

    /// Sets clients to work that repeat this request to `service`, each time with another key.
    pub(crate) fn repeat(request: &RequestBuilder, service: &Arc<Process>, clients: usize) -> Self {
        let mut traffic = Self {
            clients: JoinSet::new(),
            accepted: Arc::default(),
            stop: Arc::default(),
        };
        // Keys of other clients, of the same product, are never used again.
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

    /// Waits until this many more orders are accepted than now.
    pub(crate) async fn more(&self, orders: usize) {
        let count = || self.accepted.lock().unwrap().len();
        let enough = count() + orders;
        eventually("more orders to be accepted", async || count() >= enough).await;
    }

    /// Lets every client finish the order it has begun, and returns all of them.
    pub(crate) async fn stop(mut self) -> Vec<Accepted> {
        self.stop.store(true, Ordering::Relaxed);
        while let Some(ended) = self.clients.join_next().await {
            ended.unwrap();
        }
        self.accepted.lock().unwrap().clone()
    }
}

/// Repeats a request with its key until it is answered with more than "not now".
pub(crate) async fn insist(request: &RequestBuilder, key: &str) -> Answer {
    let answered = wait_for("more than \"not now\"", LIMIT, || async {
        let request = request.try_clone().unwrap();
        match Answer::attempt(request.header("Idempotency-Key", key)).await {
            Ok(answer) if matches!(answer.status, 503 | 504) => None,
            // The request before is still running.
            Ok(answer) if answer.is_in_progress() => None,
            Ok(answer) => Some(answer),
            // The process is being restarted.
            Err(error) => {
                assert!(!error.is_timeout(), "{error}");
                None
            }
        }
    });
    answered.await.unwrap()
}

/// What the service says about it.
fn errors(service: &Process) -> String {
    let mut lines = service.last_lines(usize::MAX);
    lines.retain(|line| line.contains(" ERROR "));
    lines.join("\n")
}
