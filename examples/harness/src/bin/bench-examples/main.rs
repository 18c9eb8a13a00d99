//! `just bench-examples` measures one typical call after the other of each example, beside the bare
//! server of the same framework. All of them are measured in turn, several times, and the table shows
//! the medians. Read the ratios: absolute numbers depend on the machine.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use stack::load::{CONNECTIONS, Load, Until};
use stack::note::note;
use stack::number::median;
use tokio::task::spawn_blocking;

use systems::{Call, Systems};

mod bare;
mod systems;

/// The rounds in which everything is measured in turn.
const ROUNDS: usize = 5;
/// The name of the measurement beside which all others are put.
const BARE: &str = "bare server, GET";

#[derive(Parser)]
#[command(about = "Measures the examples beside the bare server of the same framework")]
struct Cli {
    /// Seconds for each call in each round
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=60))]
    seconds: u64,
    /// Serve one answer on this port (used by this program itself)
    #[arg(long, hide = true)]
    bare: Option<u16>,
}

/// The figures of one call, one for each round.
#[derive(Default)]
struct Figures {
    per_second: Vec<f64>,
    p99_millis: Vec<f64>,
}

fn main() -> ExitCode {
    let cli = Cli::parse();
    let done = match cli.bare {
        Some(port) => bare::serve(port),
        None => stack::runtime()
            .map_err(Into::into)
            .and_then(|runtime| runtime.block_on(measure(Duration::from_secs(cli.seconds)))),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn measure(time: Duration) -> Result<()> {
    let systems = Box::pin(Systems::start()).await?;
    let calls = systems.calls(BARE).await?;
    let mut all: Vec<Figures> = calls.iter().map(|_| Figures::default()).collect();
    for round in 1..=ROUNDS {
        note(&format!("round {round} of {ROUNDS}"));
        for (call, figures) in calls.iter().zip(&mut all) {
            let load = load(call, time);
            let outcome = spawn_blocking(move || load.run()).await?;
            let outcome = outcome.map_err(|error| error.context(call.name))?;
            figures.per_second.push(outcome.per_second());
            figures.p99_millis.push(outcome.micros(99.0) / 1e3);
        }
    }
    print(&table(&calls, &all));
    Ok(())
}

fn load(call: &Call, time: Duration) -> Load {
    Load {
        connections: CONNECTIONS,
        until: Until::Time(time),
        keep: false,
        ..Load::new(call.to, vec![call.request.clone()], call.expect)
    }
}

/// A table in Markdown.
fn table(calls: &[Call], all: &[Figures]) -> String {
    let bare = all.first().and_then(|figures| median(&figures.per_second));
    let mut text = format!(
        "| {CONNECTIONS} connections | requests/s | of bare | p99 |\n| --- | --: | --: | --: |\n"
    );
    for (call, figures) in calls.iter().zip(all) {
        let speed = median(&figures.per_second).unwrap_or_default();
        let share = 100.0 * speed / bare.unwrap_or(speed);
        let p99 = median(&figures.p99_millis).unwrap_or_default();
        let row = format!(
            "| {} | {speed:.0} | {share:.0} % | {p99:.1} ms |\n",
            call.name
        );
        text.push_str(&row);
    }
    text
}

#[expect(clippy::print_stdout, reason = "the table is what this program is for")]
fn print(text: &str) {
    print!("{text}");
}
