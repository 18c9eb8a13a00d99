//! The load generator: as little work for each request as possible, because it shares the machine
//! with what it measures. One thread, requests made beforehand, answers only cut into pieces.
//!
//! A closed loop (each connection asks again when it was answered) finds the throughput. An open
//! loop asks at a fixed rate whatever the answers do, and counts the time of a request from the
//! moment it was meant to be sent: a system that stalls cannot hide the requests it has held up.

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

pub(crate) use client::Answer;
pub(crate) use request::Request;

mod client;
mod pace;
mod request;

/// Products that are ordered in turn.
pub(crate) const PRODUCTS: u64 = 50;
/// Connections of a measurement that has one number of them.
pub(crate) const CONNECTIONS: usize = 64;
/// Longest time for an answer that is told from any other; more counts as this much.
const MAX_LATENCY: Duration = Duration::from_mins(1);
/// A load that takes this much longer than it should have is given up.
const PATIENCE: Duration = Duration::from_mins(5);

/// What to send, and for how long.
#[derive(Clone, Debug)]
pub(crate) struct Load {
    /// The connections are shared out among these.
    pub(crate) to: Vec<SocketAddr>,
    /// Sent in turn.
    pub(crate) requests: Vec<Request>,
    pub(crate) connections: usize,
    /// Requests a second; none: as fast as they are answered.
    pub(crate) rate: Option<u32>,
    pub(crate) until: Until,
    /// The status that every answer has to have.
    pub(crate) expect: u16,
    /// Whether the answers are kept.
    pub(crate) keep: bool,
}

/// When a load ends.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Until {
    Count(u64),
    Time(Duration),
}

/// What came of it.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) answers: u64,
    pub(crate) took: Duration,
    latencies: Histogram<u64>,
    /// The answers, where they were kept, each with the number of its request.
    pub(crate) kept: Vec<(u64, Answer)>,
}

/// What the connections share. They run on one thread, and none holds it while it waits.
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
    /// As few requests as there are: one of each, over one connection, with their answers kept.
    pub(crate) fn new(to: SocketAddr, requests: Vec<Request>, expect: u16) -> Self {
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

    /// Sends one of its requests, and answers its answer.
    pub(crate) fn once(&self) -> Result<Answer> {
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

    /// Sends it all from this thread.
    pub(crate) fn run(&self) -> Result<Outcome> {
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

    /// The number of the next request and when it is meant to be sent; nothing at the end.
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
    /// Answers a second.
    pub(crate) fn per_second(&self) -> f64 {
        per_second(self.answers, self.took)
    }

    /// The time within which this share of the requests was answered, in microseconds.
    pub(crate) fn micros(&self, percent: f64) -> f64 {
        float(self.latencies.value_at_percentile(percent)) / 1e3
    }
}

fn place(number: u64, count: usize) -> usize {
    usize::try_from(number).unwrap_or_default() % count
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}
