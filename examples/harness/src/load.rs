//! One mixed load for 20 s, while processes and servers are killed and started again.
//!
//! An example says what its clients do ([`Mix::operate`]) and what is killed ([`Mix::disturb`]). It
//! keeps what its clients were answered, and compares that with its stores after the load.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fastrand::Rng;
use futures_util::future::join_all;
use tokio::time::{Instant, sleep};

/// How long clients begin new operations.
const LASTS: Duration = Duration::from_secs(20);
/// The pause between two disturbances, in milliseconds: from the first number up to the second.
const PAUSE_MILLIS: std::ops::Range<u64> = 300..1_200;
/// The pause of a client after an operation that was not done.
const BACKOFF: Duration = Duration::from_millis(20);

/// The operations and the disturbances of an example.
pub trait Mix {
    /// Makes one request of a client, and notes its answer. Answers the name of the operation, and
    /// what is known of it. Each client makes one request at a time.
    fn operate(
        &self,
        client: usize,
        random: &mut Rng,
    ) -> impl Future<Output = (&'static str, Outcome)>;

    /// Kills something, starts it again, and answers its name. `turn` counts from 0, so that each
    /// gets its turn.
    fn disturb(&self, turn: usize) -> impl Future<Output = Result<&'static str>>;
}

/// What a client knows of its operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It was answered: what it asked for has happened, or was rightly refused.
    Done,
    /// It was refused because a part was down, so nothing has happened.
    Refused,
    /// No answer tells whether it has happened.
    Unknown,
}

/// What has happened under a load.
#[derive(Debug, Default)]
pub struct Report {
    operations: BTreeMap<&'static str, Tally>,
    disturbances: BTreeMap<&'static str, u64>,
}

#[derive(Debug, Default)]
struct Tally {
    done: u64,
    refused: u64,
    unknown: u64,
}

/// Runs the load with this number of clients. `seed` draws the same operations again, though not the
/// same interleaving.
pub async fn run(mix: &impl Mix, clients: usize, seed: u64) -> Result<Report> {
    run_for(LASTS, mix, clients, seed).await
}

/// The same for another time.
pub async fn run_for(lasts: Duration, mix: &impl Mix, clients: usize, seed: u64) -> Result<Report> {
    eprintln!("load: seed {seed}");
    let end = Instant::now() + lasts;
    let report = RefCell::new(Report::default());
    let works = join_all((0..clients).map(|client| work(mix, client, seed, end, &report)));
    let ((), disturbed) = tokio::join!(
        async { drop(works.await) },
        disturb(mix, seed, end, &report)
    );
    disturbed?;
    Ok(report.into_inner())
}

async fn work(mix: &impl Mix, client: usize, seed: u64, end: Instant, report: &RefCell<Report>) {
    let mut random = Rng::with_seed(seed ^ (client as u64 + 1));
    while Instant::now() < end {
        let (name, outcome) = mix.operate(client, &mut random).await;
        report.borrow_mut().count(name, outcome);
        if outcome != Outcome::Done {
            sleep(BACKOFF).await;
        }
    }
}

async fn disturb(mix: &impl Mix, seed: u64, end: Instant, report: &RefCell<Report>) -> Result<()> {
    let mut random = Rng::with_seed(seed);
    for turn in 0.. {
        sleep(Duration::from_millis(random.u64(PAUSE_MILLIS))).await;
        if Instant::now() >= end {
            break;
        }
        let name = mix.disturb(turn).await;
        let name = name.with_context(|| format!("disturbance {turn}"))?;
        *report.borrow_mut().disturbances.entry(name).or_default() += 1;
    }
    Ok(())
}

impl Report {
    /// Fails unless each of these operations was done this often, and each of these disturbances
    /// has happened. What never happened proves nothing.
    pub fn ensure_lively(
        &self,
        operations: &[&str],
        at_least: u64,
        disturbances: &[&str],
    ) -> Result<()> {
        for name in operations {
            let done = self.operations.get(name).map_or(0, |tally| tally.done);
            ensure!(
                done >= at_least,
                "{name} was done {done} times, less than {at_least}: {self}"
            );
        }
        for name in disturbances {
            ensure!(
                self.disturbances.contains_key(name),
                "{name} never happened: {self}"
            );
        }
        Ok(())
    }

    fn count(&mut self, name: &'static str, outcome: Outcome) {
        let tally = self.operations.entry(name).or_default();
        *match outcome {
            Outcome::Done => &mut tally.done,
            Outcome::Refused => &mut tally.refused,
            Outcome::Unknown => &mut tally.unknown,
        } += 1;
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, tally) in &self.operations {
            let Tally {
                done,
                refused,
                unknown,
            } = tally;
            write!(
                f,
                "{name}: {done} done, {refused} refused, {unknown} unknown; "
            )?;
        }
        for (name, count) in &self.disturbances {
            write!(f, "{name}: {count} times; ")?;
        }
        Ok(())
    }
}
