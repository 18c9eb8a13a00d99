//! The load generator. It does as little work for each request as possible, because it shares the
//! machine with the system: it has one thread, builds requests beforehand, and only finds the ends
//! of answers.
//!
//! A closed loop finds the throughput: each connection sends a request when the last one was
//! answered. An open loop sends requests at a fixed rate. It counts the time of a request from the
//! moment at which the request should have been sent, so a system that stalls cannot hide delays.

use std::cell::RefCell;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use hdrhistogram::Histogram;
use tokio::time::timeout;

use self::client::Client;
use self::pace::Pace;
use crate::number::{float, per_second};

pub use client::Answer;
pub use request::Request;

mod client;
mod pace;
mod request;

/// The number of connections of most measurements.
pub const CONNECTIONS: usize = 64;
/// The longest latency that is recorded. Longer latencies count as this one.
const MAX_LATENCY: Duration = Duration::from_mins(1);
/// A load that takes this much longer than planned fails.
const PATIENCE: Duration = Duration::from_mins(5);

/// The requests to send, and how long.
#[derive(Clone, Debug)]
pub struct Load {
    /// The addresses among which the connections are shared out.
    pub to: Vec<SocketAddr>,
    /// The requests, which are sent in turn.
    pub requests: Vec<Request>,
    /// The number of connections.
    pub connections: usize,
    /// The number of requests a second; `None` for a closed loop.
    pub rate: Option<u32>,
    /// When it ends.
    pub until: Until,
    /// The status that every answer has to have.
    pub expect: u16,
    /// Whether the answers are kept.
    pub keep: bool,
}

/// When a load ends.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// After this number of requests.
    Count(u64),
    /// After this time.
    Time(Duration),
}

/// The result of a load.
#[derive(Debug)]
pub struct Outcome {
    /// The number of answers.
    pub answers: u64,
    /// The time from the first request to the last answer.
    pub took: Duration,
    latencies: Histogram<u64>,
    /// The kept answers, each with the number of its request.
    pub kept: Vec<(u64, Answer)>,
}

/// The state that the connections share. They run on one thread, and no connection borrows the
/// state while it waits.
struct Shared<'a> {
    load: &'a Load,
    pace: Option<Pace>,
    started: Instant,
    state: RefCell<State>,
}

struct State {
    next: u64,
    outcome: Outcome,
}

impl Load {
    /// A load that sends each of these requests once, over one connection, and keeps the answers.
    pub fn new(to: SocketAddr, requests: Vec<Request>, expect: u16) -> Self {
        let until = Until::Count(u64::try_from(requests.len()).unwrap_or(u64::MAX));
        let to = vec![to];
        Self {
            to,
            requests,
            connections: 1,
            rate: None,
            until,
            expect,
            keep: true,
        }
    }

    /// Sends the first of the requests, and returns its answer.
    pub fn once(&self) -> Result<Answer> {
        let (connections, until) = (1, Until::Count(1));
        let once = Self {
            connections,
            until,
            rate: None,
            keep: true,
            ..self.clone()
        };
        Ok(once.run()?.kept.into_iter().next().context("no answer")?.1)
    }

    /// Sends the whole load from this thread.
    pub fn run(&self) -> Result<Outcome> {
        let has_work = !self.requests.is_empty() && !self.to.is_empty() && self.connections > 0;
        ensure!(has_work, "nothing to send");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()?;
        let limit = PATIENCE
            + match self.until {
                Until::Time(time) => time,
                Until::Count(_) => Duration::ZERO,
            };
        runtime.block_on(async {
            timeout(limit, self.send())
                .await
                .context("the load did not come to an end")?
        })
    }

    async fn send(&self) -> Result<Outcome> {
        let mut clients = Vec::with_capacity(self.connections);
        for to in self.to.iter().cycle().take(self.connections) {
            clients.push(Client::connect(*to).await?);
        }
        let started = Instant::now();
        let pace = self.rate.map(|rate| Pace::new(rate, started));
        let outcome = Outcome {
            answers: 0,
            took: Duration::ZERO,
            latencies: Histogram::new_with_bounds(1, nanos(MAX_LATENCY), 3)?,
            kept: Vec::new(),
        };
        let state = RefCell::new(State { next: 0, outcome });
        let shared = Shared {
            load: self,
            pace,
            started,
            state,
        };
        let connections: FuturesUnordered<_> = clients
            .into_iter()
            .map(|client| shared.work(client))
            .collect();
        connections
            .fold(Ok(()), async |all: Result<()>, one| all.and(one))
            .await?;
        let mut outcome = shared.state.into_inner().outcome;
        outcome.took = started.elapsed();
        Ok(outcome)
    }
}

impl Shared<'_> {
    async fn work(&self, mut client: Client) -> Result<()> {
        while let Some((number, intended)) = self.turn().await? {
            let request = &self.load.requests[place(number, self.load.requests.len())];
            let answer = client.ask(request, number).await?;
            ensure!(
                answer.status == self.load.expect,
                "answered {} instead of {}: {}",
                answer.status,
                self.load.expect,
                String::from_utf8_lossy(answer.body)
            );
            let mut state = self.state.borrow_mut();
            state.outcome.answers += 1;
            state
                .outcome
                .latencies
                .saturating_record(nanos(intended.elapsed()));
            if self.load.keep {
                state.outcome.kept.push((number, answer.to_owned(intended)));
            }
        }
        Ok(())
    }

    /// The number of the next request and the time at which it should be sent; `None` at the end.
    async fn turn(&self) -> Result<Option<(u64, Instant)>> {
        let number = {
            let mut state = self.state.borrow_mut();
            let number = state.next;
            state.next += 1;
            number
        };
        let more = match self.load.until {
            Until::Count(count) => number < count,
            Until::Time(time) => self.started.elapsed() < time,
        };
        Ok(match &self.pace {
            _ if !more => None,
            Some(pace) => Some((number, pace.wait(number).await?)),
            None => Some((number, Instant::now())),
        })
    }
}

impl Outcome {
    /// The number of answers a second.
    pub fn per_second(&self) -> f64 {
        per_second(self.answers, self.took)
    }

    /// The time within which this share of the requests was answered, in microseconds.
    pub fn micros(&self, percent: f64) -> f64 {
        float(self.latencies.value_at_percentile(percent)) / 1e3
    }
}

fn place(number: u64, count: usize) -> usize {
    usize::try_from(number).unwrap_or_default() % count
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
