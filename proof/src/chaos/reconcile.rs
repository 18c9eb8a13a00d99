//! `payments reconcile`, run as an operator would.

use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use tokio::process::Command;
use tokio::time::timeout;

use stack::system::System;

/// The longest time of one run: it compares 100,000 orders and repairs 1,000 of them.
const LIMIT: Duration = Duration::from_mins(3);
/// The largest number of runs: one run repairs a limited number of differences.
const MOST_RUNS: usize = 20;
/// A run that took this long waited in vain for a change, and the next run would wait in vain too.
const IN_VAIN: Duration = Duration::from_secs(25);
/// The grace can be short, because no event is under way when `reconcile` runs. The limits can be
/// high, because the harness knows how much data it destroyed.
const FLAGS: [&str; 6] = [
    "--grace",
    "1s",
    "--orphan-grace",
    "1s",
    "--max-repairs",
    "1000",
];

/// The result of a run.
pub(super) struct Reconciled {
    /// Whether the services agree, after the repair if there was one.
    pub(super) agrees: bool,
    pub(super) text: String,
}

/// Compares the records of both services, and changes nothing.
pub(super) async fn compare(system: &System) -> Result<Reconciled> {
    once(system, false).await
}

/// Repairs differences, run by run, until a run finds no difference that it can repair.
pub(super) async fn apply(system: &System) -> Result<Reconciled> {
    for _ in 1..MOST_RUNS {
        let started = Instant::now();
        let reconciled = once(system, true).await?;
        if reconciled.agrees || started.elapsed() > IN_VAIN {
            return Ok(reconciled);
        }
    }
    once(system, true).await
}

async fn once(system: &System, apply: bool) -> Result<Reconciled> {
    let process = system.process("payments serve");
    let launch = process.launch();
    let (_verb, before) = launch
        .args
        .split_last()
        .context("a service without a verb")?;
    let mut command = Command::new(&launch.program);
    command
        .args(before)
        .arg("reconcile")
        .args(FLAGS)
        .args(apply.then_some("--apply"));
    for name in &launch.env_remove {
        command.env_remove(name);
    }
    command.envs(launch.env.iter().map(|(name, value)| (name, value)));
    command.stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(LIMIT, command.output())
        .await
        .context("reconcile did not end")??;
    let text = [output.stdout, output.stderr].concat();
    let text = String::from_utf8_lossy(&text).trim().to_owned();
    Ok(Reconciled {
        agrees: output.status.success(),
        text,
    })
}
