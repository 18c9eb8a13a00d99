//! A mixed load while processes and servers are killed. Every read is checked when it is answered,
//! and every change is counted at the end.

use std::cell::{Cell, RefCell};
use std::path::Path;
use std::time::{Duration, Instant};

use ::harness::http::{Answer, Method};
use ::harness::load::{self, Mix, Outcome};
use anyhow::{Context, Result};
use fastrand::Rng;
use reqwest::Client;
use stack::wait::eventually;

use crate::harness::{LONG, Process, Records};

mod known;

use known::{Kind, Own, Request, Sum, check};

/// A cache that is up answers within this time, also while a compiler runs beside the test.
const SETTINGS: [(&str, &str); 2] = [LONG, ("CACHE_TIMEOUT", "1s")];
const CLIENTS: usize = 16;
/// Records that all clients change.
const SHARED: usize = 4;

/// Longest time in which an old value may be read: a client of the cache connects within 1 s, and
/// repairs are made twice a second.
const CALM_AFTER: Duration = Duration::from_secs(5);

/// The clients of two processes, and what they know.
struct Clients {
    records: Records,
    other: Process,
    http: Client,
    /// When the server of the cache last came back. A process that has not reached it yet changes
    /// records behind the back of the other, which then sees old values for a moment.
    restarted: Cell<Instant>,
    /// For each shared record.
    sums: [Sum; SHARED],
    /// For each client.
    own: Vec<RefCell<Own>>,
}

impl Clients {
    /// Sends a request to one of both processes. `None`: there was no answer.
    async fn ask(&self, random: &mut Rng, method: Method, path: &str, key: &str) -> Option<Answer> {
        let process = if random.bool() {
            &self.records.process
        } else {
            &self.other
        };
        let url = format!("{}/{path}", process.member.url());
        let request = self
            .http
            .request(method, url)
            .header("idempotency-key", key);
        Answer::attempt(request).await.ok()
    }

    async fn change(&self, client: usize, random: &mut Rng, request: Request) -> Outcome {
        let Request { kind, key } = &request;
        let own = self.own[client].borrow().key(client);
        let (method, path) = match *kind {
            Kind::Add(shared, x) => (
                Method::POST,
                format!("increment-value/?user_id=all&key={shared}&x={x}"),
            ),
            Kind::Create(value) => (
                Method::POST,
                format!("create-record/?user_id=own&key={own}&value={value}"),
            ),
            Kind::Change(x) => (
                Method::POST,
                format!("decrement-value/?user_id=own&key={own}&x={}", -x),
            ),
            Kind::Delete => (
                Method::DELETE,
                format!("delete-record/?user_id=own&key={own}"),
            ),
        };
        let answer = self.ask(random, method, &path, key).await;
        let mut own = self.own[client].borrow_mut();
        let Some(answer) = answer.filter(|answer| answer.status != 503) else {
            if let Kind::Delete = kind {
                (own.generation, own.value) = (own.generation + 1, None);
            } else {
                own.pending = Some(request);
            }
            return Outcome::Unknown;
        };
        match (*kind, answer.status) {
            (Kind::Add(shared, x), 200) => {
                let sum = &self.sums[shared].answered;
                sum.set(sum.get() + x);
            }
            (Kind::Create(value), 201) => own.value = Some(value),
            (Kind::Change(x), 200) => {
                own.value = own.value.map(|value| value + x);
                assert_eq!(
                    answer.json()["value"].as_i64(),
                    own.value,
                    "{request:?} {answer:?}"
                );
            }
            (Kind::Delete, 204) => own.value = None,
            _ => panic!("{request:?}: {answer:?}"),
        }
        Outcome::Done
    }

    async fn read(&self, client: usize, random: &mut Rng) -> Outcome {
        let shared = random.usize(0..2 * SHARED);
        let Some(sum) = self.sums.get(shared) else {
            return self.read_own(client, random).await;
        };
        let (least, is_calm) = (sum.answered.get(), self.is_calm());
        let path = format!("get-record/?user_id=all&key={shared}");
        match self.ask(random, Method::GET, &path, "").await {
            Some(answer) if answer.status == 200 => {
                let value = answer.json()["value"].as_i64().unwrap();
                let least = if is_calm { least } else { 0 };
                let known = least..=sum.asked.get();
                assert!(
                    known.contains(&value),
                    "{value} is not within {known:?}: {answer:?}"
                );
                Outcome::Done
            }
            answer => refused(answer),
        }
    }

    async fn read_own(&self, client: usize, random: &mut Rng) -> Outcome {
        let (own, is_calm) = (self.own[client].borrow().key(client), self.is_calm());
        let path = format!("get-record/?user_id=own&key={own}");
        let answer = self.ask(random, Method::GET, &path, "").await;
        let expected = self.own[client].borrow().value;
        match answer {
            Some(answer) if answer.status == 200 && is_calm => {
                assert_eq!(answer.json()["value"].as_i64(), expected, "{answer:?}");
                Outcome::Done
            }
            Some(answer) if answer.status == 404 && is_calm => {
                assert_eq!(expected, None, "{answer:?}");
                Outcome::Done
            }
            Some(answer) if [200, 404].contains(&answer.status) => Outcome::Done,
            answer => refused(answer),
        }
    }

    /// Whether no old value may be read.
    fn is_calm(&self) -> bool {
        self.restarted.get().elapsed() > CALM_AFTER
    }

    /// Draws a change that fits what the client knows of its record.
    fn draw(&self, client: usize, random: &mut Rng) -> Request {
        let mut own = self.own[client].borrow_mut();
        own.requests += 1;
        let kind = match (random.u8(0..8), own.value) {
            (0..4, _) => {
                let (shared, x) = (random.usize(0..SHARED), random.i64(1..10));
                let asked = &self.sums[shared].asked;
                asked.set(asked.get() + x);
                Kind::Add(shared, x)
            }
            (_, None) => Kind::Create(random.i64(-100..100)),
            (4, Some(_)) => Kind::Delete,
            (_, Some(_)) => Kind::Change(random.i64(-10..10)),
        };
        let key = format!("{client}-{}", own.requests);
        Request { kind, key }
    }
}

impl Mix for Clients {
    async fn operate(&self, client: usize, random: &mut Rng) -> (&'static str, Outcome) {
        let pending = self.own[client].borrow_mut().pending.take();
        if pending.is_none() && random.bool() {
            return ("read", self.read(client, random).await);
        }
        let request = pending.unwrap_or_else(|| self.draw(client, random));
        ("change", self.change(client, random, request).await)
    }

    async fn disturb(&self, turn: usize) -> Result<&'static str> {
        let records = &self.records;
        Ok(match turn % 4 {
            0 => {
                records.member.kill();
                records.member.restart().await?;
                "a process was killed"
            }
            1 => {
                self.restarted.set(Instant::now());
                records.redis.kill();
                // Its clients go on without it for a moment.
                tokio::time::sleep(Duration::from_millis(300)).await;
                // A cache comes back empty: its server is meant to keep nothing.
                let launch = records.redis.process().launch();
                let mut args = launch.args.iter().skip_while(|arg| *arg != "--dir");
                let dir = args.nth(1).context("the folder of the cache")?;
                std::fs::remove_dir_all(Path::new(dir).join("appendonlydir"))?;
                records.redis.restart().await?;
                self.restarted.set(Instant::now());
                "the cache was killed"
            }
            2 => {
                self.other.member.kill();
                self.other.member.restart().await?;
                "another process was killed"
            }
            _ => {
                records.postgres.kill();
                records.postgres.restart().await?;
                "the database was killed"
            }
        })
    }
}

/// The outcome of a read that was not answered with a value.
fn refused(answer: Option<Answer>) -> Outcome {
    match answer {
        Some(answer) if answer.status == 503 => Outcome::Refused,
        None => Outcome::Unknown,
        Some(answer) => panic!("{answer:?}"),
    }
}

#[tokio::test]
async fn nothing_is_lost_or_doubled_or_old_under_load() {
    let records = Records::start_alone(&SETTINGS).await;
    let clients = Clients {
        other: records.beside(&records.redis.url(), &SETTINGS).await,
        http: stack::client::client(Duration::from_secs(30)).unwrap(),
        restarted: Cell::new(Instant::now()),
        sums: Default::default(),
        own: (0..CLIENTS).map(|_| RefCell::default()).collect(),
        records,
    };
    let records = &clients.records;
    for shared in 0..SHARED {
        let query = format!("user_id=all&key={shared}&value=0");
        records.post("create-record", &query).await.expect(201);
    }
    let seed = fastrand::u64(..);
    let report = load::run(&clients, CLIENTS, seed).await.unwrap();
    eprintln!("{report}");

    let mut random = Rng::with_seed(seed);
    for client in 0..CLIENTS {
        let pending = clients.own[client].borrow_mut().pending.take();
        if let Some(request) = pending {
            eventually("the outcome of the last request", async || {
                let outcome = clients.change(client, &mut random, request.clone()).await;
                outcome == Outcome::Done
            })
            .await;
        }
    }
    let names = [
        "a process was killed",
        "the cache was killed",
        "another process was killed",
        "the database was killed",
    ];
    report
        .ensure_lively(&["read", "change"], 200, &names)
        .unwrap();
    check(&clients).await;
}
