//! A mixed load while workers, the API and the store are killed: nothing is lost, nothing is done
//! twice, and each item counts its writes exactly.

use std::cell::RefCell;
use std::collections::BTreeMap;

use anyhow::Result;
use fastrand::Rng;
use harness::http::{Answer, Method};
use harness::load::{self, Mix, Outcome};
use serde_json::{Value, json};
use stack::wait::eventually;

use crate::harness::System;

const CLIENTS: usize = 8;
const ITEMS: usize = 20;
/// Draws the operations; any number will do.
const SEED: u64 = 16;
/// What has to happen at least this often, or the run proves nothing.
const LIVELY: u64 = 100;
/// One of this number of operations reads.
const READS: u32 = 4;
/// One of this number of values is large.
const LARGE: u32 = 20;
const LARGE_BYTES: usize = 60_000;

/// The system, and what its clients know.
struct Load {
    system: System,
    /// For each client the write that was not answered yet, with its key. It is repeated.
    open: RefCell<Vec<Option<Write>>>,
    /// The tickets of the answered writes.
    tickets: RefCell<Vec<(Value, String)>>,
}

#[derive(Clone)]
struct Write {
    item: usize,
    value: String,
    key: String,
}

impl Load {
    async fn write(&self, client: usize, random: &mut Rng) -> Outcome {
        let write = self.open.borrow()[client].clone();
        let write = write.unwrap_or_else(|| Write::draw(random));
        self.open.borrow_mut()[client] = Some(write.clone());
        let body = json!({ "value": write.value }).to_string();
        let path = format!("/items/{}", write.item);
        let request = self
            .system
            .json(&path, body)
            .header("idempotency-key", &write.key);
        let Ok(answer) = Answer::attempt(request).await else {
            return Outcome::Unknown;
        };
        match answer.status {
            202 => {
                self.open.borrow_mut()[client] = None;
                self.tickets.borrow_mut().push((answer.json(), write.value));
                Outcome::Done
            }
            409 if answer.is_in_progress() => Outcome::Unknown,
            503 => Outcome::Unknown,
            _ => panic!("{answer:?}"),
        }
    }

    async fn read(&self, random: &mut Rng) -> Outcome {
        let path = format!("/items/{}", random.usize(..ITEMS));
        let request = self.system.request(Method::GET, &path);
        match Answer::attempt(request).await.map(|answer| answer.status) {
            Ok(200 | 404) => Outcome::Done,
            Ok(503) => Outcome::Refused,
            Ok(status) => panic!("{path} was answered {status}"),
            Err(_) => Outcome::Unknown,
        }
    }
}

impl Write {
    fn draw(random: &mut Rng) -> Self {
        let key = format!("{:032x}", random.u128(..));
        let large = random.u32(..LARGE) == 0;
        let filler = if large {
            "v".repeat(LARGE_BYTES)
        } else {
            String::new()
        };
        Self {
            item: random.usize(..ITEMS),
            value: format!("{key} {filler}"),
            key,
        }
    }
}

impl Mix for Load {
    async fn operate(&self, client: usize, random: &mut Rng) -> (&'static str, Outcome) {
        if random.u32(..READS) == 0 {
            return ("read", self.read(random).await);
        }
        ("write", self.write(client, random).await)
    }

    async fn disturb(&self, turn: usize) -> Result<&'static str> {
        let workers = &self.system.workers;
        if turn.is_multiple_of(2) {
            let worker = &workers[turn / 2 % workers.len()];
            worker.kill();
            worker.restart().await?;
            return Ok("worker");
        }
        if turn % 4 == 1 {
            self.system.redis.kill();
            self.system.redis.restart().await?;
            return Ok("redis");
        }
        self.system.api.kill();
        self.system.api.restart().await?;
        Ok("api")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn under_load_with_kills_each_write_is_counted_once_and_the_newest_stays() {
    let load = Load {
        system: System::start(3).await,
        open: RefCell::new(vec![None; CLIENTS]),
        tickets: RefCell::default(),
    };
    let report = load::run(&load, CLIENTS, SEED).await.unwrap();
    eprintln!("{report}");
    report
        .ensure_lively(&["write", "read"], LIVELY, &["worker", "redis", "api"])
        .unwrap();
    // The writes without an answer are repeated until they have one.
    for client in 0..CLIENTS {
        eventually("the write has an answer", async || {
            if load.open.borrow()[client].is_some() {
                // A write that is repeated draws nothing.
                load.write(client, &mut Rng::with_seed(SEED)).await;
            }
            load.open.borrow()[client].is_none()
        })
        .await;
    }
    let tickets = load.tickets.take();
    eventually("all entries are settled", async || {
        let backlog: Vec<String> = load
            .system
            .operate(&["HMGET", "backlog", "writes", "bytes"])
            .await;
        backlog == ["0", "0"]
    })
    .await;
    load.system.assert_drained().await;
    check(&load.system, &tickets).await;
}

/// The versions of each item are 1, 2, 3 and so on, one for each write, and the item has the last.
async fn check(system: &System, tickets: &[(Value, String)]) {
    let mut items: BTreeMap<&str, BTreeMap<u64, &str>> = BTreeMap::new();
    for (ticket, value) in tickets {
        let (item, version) = (
            ticket["item_id"].as_str().unwrap(),
            ticket["version"].as_u64(),
        );
        let other = items
            .entry(item)
            .or_default()
            .insert(version.unwrap(), value);
        assert_eq!(
            other, None,
            "two writes of item {item} have version {version:?}"
        );
        let state: String = system
            .operate(&[
                "HGET",
                &format!("ticket:{}", ticket["id"].as_str().unwrap()),
                "status",
            ])
            .await;
        assert_eq!(state, "applied", "{ticket}");
    }
    for (item, versions) in &items {
        let counted: Vec<u64> = versions.keys().copied().collect();
        assert_eq!(
            counted,
            (1..=versions.len() as u64).collect::<Vec<_>>(),
            "item {item}"
        );
        let found = system.get(&format!("/items/{item}")).await.expect(200);
        assert_eq!(found.json()["version"], versions.len(), "item {item}");
        assert!(
            found.text("value") == versions[&(versions.len() as u64)],
            "item {item}"
        );
    }
    let entries: usize = system.operate(&["XLEN", "writes"]).await;
    assert_eq!(entries, tickets.len(), "one entry for each write");
    assert_eq!(system.operate::<u64>(&["EXISTS", "dead_letters"]).await, 0);
}
