//! Logs: one line per thing that happened, to standard output.

use std::io::IsTerminal;
use std::str::FromStr;

use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line, for machines.
    Json,
}

/// Which log lines are written: the directives of `RUST_LOG`, each a level, or `target=level`.
///
/// Not the filter that knows spans and fields as well: it would bring along an engine for regular
/// expressions, for lines of which each has a target and a level.
#[derive(Clone, Debug)]
pub struct LogFilter(Targets);

/// Starts logging. A panic is a log line as well, so that it reaches whoever reads them.
///
/// Called once, first thing in a process that stays; a second call is ignored.
/// Where nobody reads the log any more, lines are lost and the process goes on.
pub fn init(format: LogFormat, LogFilter(filter): &LogFilter, in_color: bool) {
    let lines = tracing_subscriber::registry().with(filter.clone());
    let ansi = in_color && std::io::stdout().is_terminal();
    let layer = fmt::layer().log_internal_errors(false);
    let _ = match format {
        LogFormat::Pretty => lines.with(layer.with_ansi(ansi).with_target(false)).try_init(),
        LogFormat::Json => lines.with(layer.json().flatten_event(true)).try_init(),
    };
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(location, "panic: {}", panic.payload_as_str().unwrap_or("no message"));
    }));
}

impl FromStr for LogFormat {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match text {
            "pretty" => Ok(Self::Pretty),
            "json" => Ok(Self::Json),
            _ => Err("expected pretty or json"),
        }
    }
}

impl FromStr for LogFilter {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let directives: Vec<&str> =
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
        let filter = directives.join(",").parse();
        filter.map(Self).map_err(|_| "expected levels between commas, such as info,http=warn")
    }
}
