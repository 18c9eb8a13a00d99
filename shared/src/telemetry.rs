//! Logs: one line per thing that happened, to standard output.

use std::io::IsTerminal;
use std::str::FromStr;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::ParseError;

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line, for machines.
    Json,
}

/// Which log lines are written: the directives of `RUST_LOG`, found to be well-formed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogFilter(String);

/// Starts logging. A panic is a log line as well, so that it reaches whoever reads them.
///
/// Called once, first thing in a process that stays; a second call is ignored.
pub fn init(format: LogFormat, filter: &LogFilter) -> Result<(), ParseError> {
    let builder = tracing_subscriber::fmt().with_env_filter(EnvFilter::builder().parse(&filter.0)?);
    let ansi = std::io::stdout().is_terminal();
    let _ = match format {
        LogFormat::Pretty => builder.with_ansi(ansi).with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(location, "panic: {}", panic.payload_as_str().unwrap_or("no message"));
    }));
    Ok(())
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
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        EnvFilter::builder().parse(text).map(|_| Self(text.to_owned()))
    }
}
