//! The clients. They place orders, repeat requests, cancel at the last moment, look at orders, and
//! manage the products. They write into the history what they asked and were answered.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

use self::http::Answer;
use super::figures::{Figure, Tally};
use super::history::{History, Op, Outcome, SeenOrder};

pub(super) use draw::{Upkeep, Wish, Wishes, wishes};

mod attempt;
mod draw;
mod http;
mod shop;

/// Clients with connections of their own.
const CLIENTS: usize = 16;
/// The number of orders that are placed at the same time. Further orders wait, so that an outage
/// does not cause a storm of requests.
const MOST_AT_ONCE: usize = 192;
/// The number of attempts for one intent, with pauses of at most 1 s between them.
const MOST_ATTEMPTS: u32 = 60;
/// The time that the clients may take after they began the last wish.
const FINISH_LIMIT: Duration = Duration::from_mins(1);

/// Buyers of one last piece in a race.
const CROWD: u32 = 30;

/// The addresses for the requests of the clients: two replicas of each service.
pub(super) struct Shops {
    pub(super) inventory: [String; 2],
    pub(super) payments: [String; 2],
}

/// The clients of one profile.
pub(super) struct Load {
    clients: Vec<Client>,
    shops: Shops,
    history: Arc<History>,
    tally: Arc<Tally>,
    /// How long an order stays pending.
    delay: Duration,
    requests: AtomicU32,
    intents: AtomicU32,
    /// The number of accepted orders for each product.
    accepted: Mutex<HashMap<String, u32>>,
}

/// One intent: all its requests have the same key.
struct Intent<'a> {
    op: Op,
    number: u32,
    method: Method,
    path: String,
    body: Option<Value>,
    /// The product or the order.
    about: &'a str,
    quantity: u64,
}

impl Load {
    pub(super) fn new(
        shops: Shops,
        delay: Duration,
        history: Arc<History>,
        tally: Arc<Tally>,
    ) -> Result<Self> {
        let clients = (0..CLIENTS)
            .map(|_| http::client())
            .collect::<reqwest::Result<_>>()?;
        let (requests, intents) = (AtomicU32::new(0), AtomicU32::new(0));
        let accepted = Mutex::default();
        Ok(Self {
            clients,
            shops,
            history,
            tally,
            delay,
            requests,
            intents,
            accepted,
        })
    }

    /// Fulfils every wish at its time after `start`.
    pub(super) async fn run(
        self: Arc<Self>,
        wishes: Wishes,
        products: Vec<String>,
        start: Instant,
        seed: u64,
    ) -> Result<()> {
        let products = Arc::new(products);
        let mut tasks = JoinSet::new();
        tasks.spawn(
            self.clone()
                .keep_shop(wishes.upkeep, products.clone(), start, seed),
        );
        let permits = Arc::new(Semaphore::new(MOST_AT_ONCE));
        for (wish, number) in wishes.orders.into_iter().zip(1..) {
            sleep_until(start + wish.at).await;
            let permit = permits.clone().acquire_owned().await?;
            let (load, products) = (self.clone(), products.clone());
            tasks.spawn(async move {
                let rng = Rng::with_seed(seed ^ number);
                load.pursue(&wish, &products[wish.product], number, rng, permit)
                    .await;
            });
            while tasks.try_join_next().is_some() {}
        }
        finish(tasks).await?;
        for product in wishes.last_pieces {
            if self
                .accepted()
                .get(&products[product])
                .is_some_and(|buyers| *buyers >= CROWD)
            {
                self.tally.count(Figure::LastUnitRaces);
            }
        }
        Ok(())
    }

    fn accepted(&self) -> MutexGuard<'_, HashMap<String, u32>> {
        stack::locked(&self.accepted)
    }

    async fn pursue(
        &self,
        wish: &Wish,
        product: &str,
        number: u64,
        mut rng: Rng,
        permit: OwnedSemaphorePermit,
    ) {
        let client = usize::try_from(number).unwrap_or_default();
        let body = json!({"product_id": product, "quantity": wish.quantity});
        let place = self.intent(Op::Place, "/orders".to_owned(), body, product);
        let (mut mine, mut twins) = (rng.fork(), rng.fork());
        let first = self.insist(&place, client, &mut mine);
        let answer = if wish.twin {
            self.tally.count(Figure::Retries);
            tokio::join!(first, self.insist(&place, client + 1, &mut twins)).0
        } else {
            first.await
        };
        drop(permit);
        let Some(order) = answer.and_then(|answer| answer.order()) else {
            return;
        };
        self.tally.count(Figure::Orders);
        *self.accepted().entry(product.to_owned()).or_default() += 1;
        let placed = Instant::now();
        tokio::join!(
            self.repeat(wish, &place, client, rng.fork()),
            self.cancel(wish, &order, placed, client, rng.fork()),
            self.look(wish, &order, placed, client),
        );
    }

    async fn repeat(&self, wish: &Wish, place: &Intent<'_>, client: usize, mut rng: Rng) {
        if let Some(after) = wish.repeat {
            sleep(after).await;
            self.tally.count(Figure::Retries);
            self.insist(place, client + 1, &mut rng).await;
        }
    }

    /// Aims a cancellation at the moment of payment, so that either may come first.
    async fn cancel(
        &self,
        wish: &Wish,
        order: &SeenOrder,
        placed: Instant,
        client: usize,
        mut rng: Rng,
    ) {
        let Some(beside) = wish.cancel else { return };
        let by = Duration::from_millis(beside.unsigned_abs());
        let due = placed + self.delay;
        sleep_until(if beside < 0 {
            due.checked_sub(by).unwrap_or(due)
        } else {
            due + by
        })
        .await;
        self.tally.count(Figure::CancelRaces);
        let path = format!("/orders/{}/cancel", order.id);
        let intent = self.intent(Op::Cancel, path, Value::Null, &order.id);
        self.insist(&intent, client, &mut rng).await;
    }

    async fn look(&self, wish: &Wish, order: &SeenOrder, placed: Instant, client: usize) {
        for (after, turn) in wish.looks.iter().zip(client..) {
            sleep_until(placed + *after).await;
            let path = format!("/orders/{}", order.id);
            let look = self.intent(Op::Read, path, Value::Null, &order.id);
            self.attempt(&look, turn, turn).await;
        }
    }

    /// A new intent about a product or an order. The note of a movement names the intent that
    /// caused it.
    fn intent<'a>(&self, op: Op, path: String, mut body: Value, about: &'a str) -> Intent<'a> {
        let number = self.intents.fetch_add(1, Ordering::Relaxed);
        let quantity = body["quantity"].as_u64().unwrap_or_default();
        if matches!(op, Op::Restock | Op::Count) {
            body["note"] = json!(note(number));
        }
        let method = match op {
            Op::Read => Method::GET,
            Op::Count => Method::PUT,
            Op::Delete => Method::DELETE,
            _ => Method::POST,
        };
        Intent {
            op,
            number,
            method,
            path,
            body: (!body.is_null()).then_some(body),
            about,
            quantity,
        }
    }

    /// Repeats a request until it gets a final answer, at the other replica each time. Answers the
    /// answer if the request was done.
    async fn insist(&self, intent: &Intent<'_>, client: usize, rng: &mut Rng) -> Option<Answer> {
        for attempt in 0..MOST_ATTEMPTS {
            if attempt > 0 && intent.op == Op::Place {
                self.tally.count(Figure::Retries);
            }
            let turn = client + usize::try_from(attempt).unwrap_or_default();
            let answer = self.attempt(intent, client, turn).await;
            match answer.outcome() {
                Outcome::Ok => return Some(answer),
                // Only this client deletes the product. So an earlier attempt deleted it, although
                // its answer did not arrive.
                _ if attempt > 0 && intent.op == Op::Delete && answer.status == 404 => {
                    return Some(answer);
                }
                _ if !answer.may_be_repeated() => return None,
                _ => sleep(answer.pause(attempt, rng.f64())).await,
            }
        }
        None
    }
}

/// Waits until all clients have finished.
async fn finish(mut tasks: JoinSet<()>) -> Result<()> {
    let deadline = Instant::now() + FINISH_LIMIT;
    while let Some(ended) = timeout_at(deadline, tasks.join_next())
        .await
        .context("the clients did not come to an end")?
    {
        ensure!(
            ended.is_ok(),
            "a client of the harness itself failed: {ended:?}"
        );
    }
    Ok(())
}

/// The note of a movement that this intent caused.
pub(super) fn note(intent: u32) -> String {
    format!("intent {intent}")
}
