//! Many clients greet while the processes and their stores are killed: each greeting is counted once.

use std::cell::RefCell;

use anyhow::Result;
use fastrand::Rng;
use harness::http::{Answer, Method};
use harness::load::{self, Mix, Outcome};
use stack::wait::eventually;

use crate::pair::{Counts, Pair};

const CLIENTS: usize = 8;
const PERSONS: usize = 5;
/// Draws the greetings; any number will do.
const SEED: u64 = 7;
/// What has to happen at least this often, or the run proves nothing.
const LIVELY: u64 = 100;

/// The pair, and what its clients know.
struct Load {
    pair: Pair,
    /// For each client the greeting that was not answered yet. It is repeated.
    open: RefCell<Vec<Option<Greeting>>>,
    /// The greetings that were answered.
    answered: RefCell<Counts>,
}

#[derive(Clone)]
struct Greeting {
    name: String,
    key: String,
}

impl Load {
    async fn greet(&self, client: usize, random: &mut Rng) -> Outcome {
        let open = self.open.borrow()[client].clone();
        let greeting = open.unwrap_or_else(|| Greeting {
            name: format!("person-{}", random.usize(..PERSONS)),
            key: format!("{:032x}", random.u128(..)),
        });
        self.open.borrow_mut()[client] = Some(greeting.clone());
        let path = format!("/greetings/{}", greeting.name);
        let request = self.pair.site.request(Method::POST, &path);
        let request = request.header("idempotency-key", &greeting.key);
        match Answer::attempt(request).await.map(|answer| answer.status) {
            Ok(200) => {
                self.open.borrow_mut()[client] = None;
                *self.answered.borrow_mut().entry(greeting.name).or_default() += 1;
                Outcome::Done
            }
            // The event may exist: the store perhaps took it, and its answer was lost.
            Ok(503) | Err(_) => Outcome::Unknown,
            Ok(status) => panic!("{path} was answered {status}"),
        }
    }
}

impl Mix for Load {
    async fn operate(&self, client: usize, random: &mut Rng) -> (&'static str, Outcome) {
        ("greet", self.greet(client, random).await)
    }

    async fn disturb(&self, turn: usize) -> Result<&'static str> {
        let pair = &self.pair;
        match turn % 4 {
            0 => pair.counter.restart().await.map(|()| "counter"),
            1 => pair.streams.restart().await.map(|()| "streams"),
            2 => pair.greeter.restart().await.map(|()| "greeter"),
            _ => pair.counts.restart().await.map(|()| "counts"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_with_kills_each_greeting_is_counted_once() {
    let load = Load {
        pair: Pair::start().await,
        open: RefCell::new(vec![None; CLIENTS]),
        answered: RefCell::default(),
    };
    let report = load::run(&load, CLIENTS, SEED).await.unwrap();
    eprintln!("{report}");
    let killed = ["counter", "streams", "greeter", "counts"];
    report.ensure_lively(&["greet"], LIVELY, &killed).unwrap();
    // The greetings without an answer are repeated until they have one.
    for client in 0..CLIENTS {
        eventually("an answer to each greeting", async || {
            if load.open.borrow()[client].is_some() {
                // A greeting that is repeated draws nothing.
                load.greet(client, &mut Rng::with_seed(SEED)).await;
            }
            load.open.borrow()[client].is_none()
        })
        .await;
    }
    load.pair.counter.wait_ready().await.unwrap();
    load.pair.assert_counts(&load.answered.take()).await;
}
