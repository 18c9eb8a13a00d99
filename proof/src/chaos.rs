//! The chaos harness: the real system under real load, everything that can go wrong going wrong,
//! and then the question whether the promise held.
//!
//! Everything random follows from one seed: what the clients want, what happens to the system and
//! when. How the threads of a dozen processes interleave does not, so a seed replays a plan and not
//! an instant.
//!
//! - [`legs`](Scale) says how much is done on which settings, [`figures`](Figure) counts it.
//! - `plan` draws the faults and `inject` does them; `load` are the clients, `history` is what they
//!   saw.
//! - `watch` looks at both stores meanwhile; `heal` measures how long it takes until all is well.
//! - `checker` holds the history against the stores. It shares no code with the services.
//! - `leg` puts these together, `report` tells.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result};
use fastrand::Rng;

use stack::binaries::Binaries;

pub use figures::{Figure, Figures};
pub use legs::Scale;
pub use report::Say;

mod checker;
mod figures;
mod heal;
mod history;
mod inject;
mod leg;
mod legs;
mod load;
mod plan;
mod reconcile;
mod report;
mod resources;
mod stores;
mod watch;

/// What to run.
pub struct Options {
    /// Where all randomness comes from.
    pub seed: u64,
    /// How much.
    pub scale: Scale,
    /// Only the leg of this name.
    pub only: Option<String>,
    /// Where histories and logs are kept; otherwise only those of a run that failed are.
    pub keep_in: Option<PathBuf>,
    /// The services.
    pub binaries: Binaries,
    /// Gets each line that is told.
    pub say: Say,
}

/// Runs every leg and tells about it. Answers whether everything held.
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
    let wanted = |leg: &legs::Leg| only.as_deref().is_none_or(|name| name == leg.name);
    let (mut held, mut planned, mut seen) = (true, Figures::default(), Figures::default());
    // Every leg draws from a generator of its own, whether the others run or not.
    let mut random = Rng::with_seed(seed);
    let legs: Vec<(legs::Leg, Rng)> = scale
        .legs()
        .into_iter()
        .map(|leg| (leg, random.fork()))
        .collect();
    let mut kept = Vec::new();
    let mut ran = 0;
    for (leg, random) in legs.into_iter().filter(|(leg, _)| wanted(leg)) {
        let folder = Folder::open(keep_in.as_deref(), seed, leg.name)?;
        let report = leg::run(&leg, random, binaries.clone(), folder.path(), &say).await;
        let report = match report {
            Ok(report) => report,
            Err(error) => {
                let path = folder.keep();
                return Err(error.context(format!(
                    "leg {} with seed {seed} broke off; see {}",
                    leg.name,
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
    anyhow::ensure!(ran > 0, "there is no such leg");
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

/// The folder of one leg's history and logs, removed unless it is kept.
struct Folder(tempfile::TempDir);

impl Folder {
    fn open(keep_in: Option<&Path>, seed: u64, leg: &str) -> Result<Self> {
        let prefix = format!("chaos-{seed}-{leg}-");
        let mut builder = tempfile::Builder::new();
        builder.prefix(&prefix);
        let folder = match keep_in {
            Some(dir) => {
                fs::create_dir_all(dir)
                    .with_context(|| format!("cannot make {}", dir.display()))?;
                builder.tempdir_in(dir)
            }
            None => builder.tempdir(),
        };
        Ok(Self(folder.context("no folder for the history")?))
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn keep(self) -> PathBuf {
        self.0.keep()
    }
}
