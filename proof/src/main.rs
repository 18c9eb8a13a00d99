//! `chaos`: breaks a private system in every way under load, and checks that the promise held.

use std::io;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Result;
use clap::{Args, Parser};
use proof::chaos;
use proof::chaos::{Options, Scale};
use shared::service::cli::note;
use stack::binaries::Build;
use stack::server;
use stack::signals::Signals;

#[derive(Parser)]
#[command(
    name = "chaos",
    about = "Breaks a private system in every way under load, and checks that the promise held"
)]
struct Chaos {
    #[command(flatten)]
    size: Size,
    /// Draw the same load and the same faults again [default: a new seed, which is shown first].
    /// The seed does not decide how processes and threads interleave
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Run only this profile: durable, trimmed or lossy
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Keep histories and logs in this folder; otherwise only those of a run that failed are kept
    #[arg(long, value_name = "DIR")]
    history: Option<PathBuf>,
    /// Build and run release binaries
    #[arg(long)]
    release: bool,
}

/// The size of the run. Without a flag it takes about three minutes.
#[derive(Args)]
struct Size {
    /// Run for up to 18 minutes: 100,000 orders, 600 kills of services, 150 of stores
    #[arg(long, conflicts_with_all = ["quick", "smoke"])]
    nightly: bool,
    /// Run for at most a minute, without the profile that loses data
    #[arg(long, conflicts_with = "smoke")]
    quick: bool,
    /// Run for about 15 s, to see that the harness works
    #[arg(long)]
    smoke: bool,
}

fn main() -> ExitCode {
    Chaos::parse().run().unwrap_or_else(|error| {
        note(&format_args!("chaos: {error:#}"));
        ExitCode::FAILURE
    })
}

impl Chaos {
    fn run(self) -> Result<ExitCode> {
        server::shared()?;
        let binaries = Build::show(self.release)?;
        let options = Options {
            seed: self.seed.unwrap_or_else(|| u64::from(fastrand::u32(..))),
            scale: self.size.scale(),
            only: self.profile,
            keep_in: self.history,
            binaries,
            say: Arc::new(print),
        };
        stack::runtime()?.block_on(until_interrupted(options))
    }
}

impl Size {
    fn scale(&self) -> Scale {
        match self {
            Self { nightly: true, .. } => Scale::Nightly,
            Self { quick: true, .. } => Scale::Quick,
            Self { smoke: true, .. } => Scale::Smoke,
            _ => Scale::Ci,
        }
    }
}

/// Runs until the end or a signal. A signal drops the future that owns the system, which stops it.
async fn until_interrupted(options: Options) -> Result<ExitCode> {
    let mut signals = Signals::new()?;
    let status = tokio::select! {
        held = chaos::run(options) => {
            return held.map(|held| if held { ExitCode::SUCCESS } else { ExitCode::FAILURE });
        }
        status = signals.next() => status,
    };
    note(&"chaos: interrupted; the private system is stopped");
    Ok(status)
}

/// Prints a line. If the reader of the output is gone, the run goes on.
fn print(line: &str) {
    let mut stdout = io::stdout().lock();
    let _ = writeln!(stdout, "{line}").and_then(|()| stdout.flush());
}
