//! The chaos harness runs the real system under load, injects faults of every kind, and then checks
//! whether the promise held.
//!
//! One seed decides what the clients want, which faults happen, and when. It does not decide how
//! the threads of a dozen processes interleave. So the same seed draws the same plan again, but the
//! run does not repeat instant by instant.
//!
//! - [`profiles`](Scale) are the parts of a run: settings, durations and planned numbers.
//!   [`figures`](Figure) counts what was done.
//! - `plan` draws the faults and `inject` does them. `load` are the clients, and `history` records
//!   what they asked and were answered.
//! - `watch` checks both stores during the run. `heal` measures the time from the last fault until
//!   the system is ready and drained.
//! - `checker` compares the history with the stores. It shares no code with the services.
//! - `run` puts these together, and `report` prints the result.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use fastrand::Rng;
use stack::binaries::Binaries;
use tempfile::TempDir;

pub use figures::{Figure, Figures};
pub use profiles::Scale;
pub use report::Say;

mod checker;
mod figures;
mod heal;
mod history;
mod inject;
mod load;
mod plan;
mod profiles;
mod reconcile;
mod report;
mod resources;
mod run;
mod stores;
mod watch;

/// What to run.
pub struct Options {
    /// The seed of everything random.
    pub seed: u64,
    /// How long the run is, and how many faults it has.
    pub scale: Scale,
    /// Only the profile of this name.
    pub only: Option<String>,
    /// The folder in which all histories and logs are kept. Without it, only those of a failed
    /// profile are kept, in a temporary folder.
    pub keep_in: Option<PathBuf>,
    /// The services.
    pub binaries: Binaries,
    /// Gets each line of the report.
    pub say: Say,
}

/// Runs every profile and reports about it. Answers whether every rule held.
pub async fn run(options: Options) -> Result<bool> {
    let started = Instant::now();
    let Options {
        seed,
        scale,
        only,
        keep_in,
        binaries,
        say,
    } = options;
    say(&format!("chaos: seed {seed}, scale {}", scale.name()));
    let wanted =
        |profile: &profiles::Profile| only.as_deref().is_none_or(|name| name == profile.name);
    let (mut held, mut planned, mut seen) = (true, Figures::default(), Figures::default());
    // Every profile has a generator of its own. So `--profile` draws the same plan as a full run.
    let mut random = Rng::with_seed(seed);
    let profiles: Vec<(profiles::Profile, Rng)> = scale
        .profiles()
        .into_iter()
        .map(|profile| (profile, random.fork()))
        .collect();
    let mut kept = Vec::new();
    let mut ran = 0;
    for (profile, random) in profiles.into_iter().filter(|(profile, _)| wanted(profile)) {
        let folder = folder(keep_in.as_deref(), seed, profile.name)?;
        let report = run::profile(&profile, random, binaries.clone(), folder.path(), &say).await;
        let report = match report {
            Ok(report) => report,
            Err(error) => {
                let path = folder.keep();
                return Err(error.context(format!(
                    "profile {} with seed {seed} broke off; see {}",
                    profile.name,
                    path.display()
                )));
            }
        };
        report.tell(&say);
        held &= report.holds();
        planned = planned.plus(&report.planned);
        seen = seen.plus(&report.seen);
        if keep_in.is_some() || !report.holds() {
            kept.push(folder.keep());
        }
        ran += 1;
        if !held && scale == Scale::Quick {
            break;
        }
    }
    anyhow::ensure!(ran > 0, "there is no such profile");
    report::figures(&planned, &seen, &say);
    for path in kept {
        say(&format!("history and logs: {}", path.display()));
    }
    let verdict = if held {
        "everything held"
    } else {
        "something did NOT hold"
    };
    say(&format!(
        "{verdict}; seed {seed}, {:.0} s",
        started.elapsed().as_secs_f64()
    ));
    Ok(held)
}

/// The folder of one profile's history and logs, removed unless it is kept.
fn folder(keep_in: Option<&Path>, seed: u64, profile: &str) -> Result<TempDir> {
    let prefix = format!("chaos-{seed}-{profile}-");
    let mut builder = tempfile::Builder::new();
    builder.prefix(&prefix);
    let folder = match keep_in {
        Some(dir) => {
            fs::create_dir_all(dir).with_context(|| format!("cannot make {}", dir.display()))?;
            builder.tempdir_in(dir)
        }
        None => builder.tempdir(),
    };
    folder.context("no folder for the history")
}
