//! The command line of the bench.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The highest rate in requests a second. The timer of one thread does not keep up with more.
const MAX_RATE: u32 = 100_000;

/// The command line.
#[derive(Debug, Parser)]
#[command(
    about = "Measures the system, and beside it what the machine allows",
    args_conflicts_with_subcommands = true
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) helper: Option<Helper>,
    #[command(flatten)]
    pub(crate) options: Options,
}

/// The helpers that the bench starts from its own program.
#[derive(Debug, Subcommand)]
pub(crate) enum Helper {
    /// Answer every request with the same bytes (used by this program itself).
    #[command(hide = true)]
    Answer {
        /// The port on the loopback interface.
        port: u16,
        /// A file with a whole HTTP answer.
        answer: PathBuf,
    },
}

/// What to measure, and how.
#[derive(Args, Clone, Debug)]
pub(crate) struct Options {
    /// About a minute instead of several, and less exact
    #[arg(long)]
    pub(crate) quick: bool,
    /// Measure only these, separated by commas [default: everything except `scale`]
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(crate) only: Vec<Measure>,
    /// The number of rounds; the table shows their medians
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..=50))]
    pub(crate) rounds: u8,
    /// Also build this revision, measure both in turn, and show which figures became worse
    #[arg(long, value_name = "REV")]
    pub(crate) compare: Option<String>,
    /// Write everything that was measured to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// How often both stores write to disk; `e2e` also measures `always`
    #[arg(long, value_enum, default_value_t = Fsync::Everysec)]
    pub(crate) fsync: Fsync,
    /// A setting of the services, NAME=VALUE; may be repeated
    #[arg(long, value_name = "NAME=VALUE", value_parser = setting)]
    pub(crate) env: Vec<(String, String)>,
    /// Do not measure the limits of the machine; with --compare they are never measured
    #[arg(long)]
    no_limits: bool,
    /// The length of each measurement of HTTP in seconds
    #[arg(long, value_name = "SECONDS")]
    seconds: Option<f64>,
    /// The number of orders of the whole choreography
    #[arg(long)]
    orders: Option<u32>,
    /// The sizes of the piles of events that are drained, separated by commas
    #[arg(long, value_delimiter = ',')]
    piles: Vec<u32>,
    /// Requests a second of the open-loop measurements
    #[arg(long, default_value_t = 2_000, value_parser = rate)]
    pub(crate) rate: u32,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Measure {
    /// Memory of the idle processes, and the processor time they take
    Footprint,
    /// `GET /orders/{id}` and `GET /products/{id}`
    Get,
    /// `POST /orders` with everything behind it
    Post,
    /// `POST /orders` and nothing behind it: the orders are due much later
    Accept,
    /// `POST /orders` with a product cache that keeps nothing
    Uncached,
    /// The whole choreography, from the first order to the last acknowledgement
    E2e,
    /// Piles of events that wait for a consumer
    Drain,
    /// From a paid order to its stock, at a light load
    Latency,
    /// The whole choreography with partitions, clusters and replicas, beside the system without
    /// them. Measured only if it is named; takes about two more minutes
    Scale,
}

/// When a store writes to disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Fsync {
    /// Once a second.
    Everysec,
    /// Before each answer, as the system is shipped.
    Always,
}

impl Fsync {
    /// The word for it in the configuration of a store.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Everysec => "everysec",
            Self::Always => "always",
        }
    }
}

impl Options {
    /// Whether this measurement is chosen.
    pub(crate) fn wants(&self, measure: Measure) -> bool {
        let unasked = self.only.is_empty() && measure != Measure::Scale;
        unasked || self.only.contains(&measure)
    }

    /// Whether one of these measurements is chosen.
    pub(crate) fn wants_any(&self, measures: &[Measure]) -> bool {
        measures.iter().any(|&measure| self.wants(measure))
    }

    /// Whether the limits of the machine are measured.
    pub(crate) fn limits(&self) -> bool {
        !self.no_limits && self.compare.is_none()
    }

    /// The length of a measurement of HTTP with one number of connections.
    pub(crate) fn http_time(&self) -> Duration {
        let seconds = self.seconds.unwrap_or(if self.quick { 1.0 } else { 6.0 });
        Duration::from_secs_f64(seconds.clamp(0.05, 600.0))
    }

    /// The time for which idle processes are watched.
    pub(crate) fn idle_time(&self) -> Duration {
        self.http_time().mul_f64(2.0)
    }

    /// The number of orders of the whole choreography.
    pub(crate) fn orders(&self) -> u64 {
        u64::from(
            self.orders
                .unwrap_or(if self.quick { 10_000 } else { 50_000 }),
        )
    }

    /// The number of orders of each shape of the system.
    pub(crate) fn scale_orders(&self) -> u64 {
        u64::from(
            self.orders
                .unwrap_or(if self.quick { 3_000 } else { 15_000 }),
        )
    }

    /// The time for which each shape of the system is watched, at rest and at a light load.
    pub(crate) fn scale_time(&self) -> Duration {
        self.http_time().mul_f64(0.5)
    }

    /// The sizes of the piles of events that are drained.
    pub(crate) fn piles(&self) -> Vec<u64> {
        let usual: &[u32] = if self.quick {
            &[20_000]
        } else {
            &[50_000, 300_000]
        };
        let asked = if self.piles.is_empty() {
            usual
        } else {
            &self.piles
        };
        asked.iter().copied().map(u64::from).collect()
    }
}

fn rate(text: &str) -> Result<u32, String> {
    let rate = text
        .parse()
        .ok()
        .filter(|rate| (1..=MAX_RATE).contains(rate));
    rate.ok_or_else(|| format!("expected a number from 1 to {MAX_RATE}"))
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    Ok((name.to_owned(), value.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(line: &str) -> Options {
        Cli::try_parse_from(format!("bench {line}").split_whitespace())
            .unwrap()
            .options
    }

    #[test]
    fn everything_is_measured_unless_something_is_named() {
        assert!(options("").wants(Measure::Drain) && !options("").wants(Measure::Scale));
        assert!(options("--only scale").wants(Measure::Scale));
        let few = options("--only post,e2e");
        assert!(few.wants(Measure::Post) && few.wants(Measure::E2e) && !few.wants(Measure::Get));
        assert!(!few.wants_any(&[Measure::Get, Measure::Drain]));
    }

    #[test]
    fn a_quick_run_is_smaller_and_every_size_can_be_named() {
        assert!(options("--quick").orders() < options("").orders());
        assert!(options("--quick").scale_orders() < options("").scale_orders());
        assert_eq!(options("").piles(), [50_000, 300_000]);
        assert_eq!(options("--piles 500").piles(), [500]);
        assert_eq!(
            options("--env A=b=c").env,
            [("A".to_owned(), "b=c".to_owned())]
        );
    }
}
