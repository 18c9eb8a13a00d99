//! Logs: one line per thing that happened, to standard output, without waiting for its reader.

use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::str::FromStr;
use std::sync::OnceLock;
use std::time::Duration;

use tracing::{Level, Metadata};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::{self, MakeWriter};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::base::line_writer::{LineWriter, MAX_LINE_BYTES, Rule, cut_json, cut_text};

/// Longest wait at the end of a process for somebody to read its last lines.
const LAST_LINES_LIMIT: Duration = Duration::from_millis(500);
/// The same where something has gone wrong, and the process may end without another chance.
const HURRIED_LIMIT: Duration = Duration::from_millis(100);
/// The target of the line that says how many were lost.
const LOST: &str = "log";
/// The target of lines about requests.
const ACCESS: &str = "http";

/// The target of lines that are the only copy of what they say. Each is written, also one that was said
/// a moment ago.
pub(crate) const ONLY_COPY: &str = "dead_letter";

/// The log of this process.
static LOG: OnceLock<LineWriter> = OnceLock::new();

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

/// Hands each line to the log by the rule for its level: warnings and errors that are repeated are counted.
struct LogLines {
    log: LineWriter,
    format: LogFormat,
}

/// One line on its way to the log.
struct LogLine<'a> {
    lines: &'a LogLines,
    rule: Rule,
}

/// Starts logging to standard output. A panic is a log line as well, so that it reaches the reader of the
/// log.
///
/// Called once, first thing in a process that stays; a second call is ignored.
/// Where nobody reads the log any more, lines are lost and counted, and the process goes on.
pub fn init(format: LogFormat, filter: &LogFilter, in_color: bool) -> io::Result<()> {
    let ansi = in_color && io::stdout().is_terminal();
    init_to(io::stdout(), format, filter, ansi)?;
    std::panic::set_hook(Box::new(|panic| {
        let location = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        // The place is told first: a long message is cut behind it.
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!("panic at {location}: {message}");
        hurry();
    }));
    Ok(())
}

/// Starts logging to `output`, and leaves panics as they are.
pub fn init_to(
    output: impl AsFd,
    format: LogFormat,
    LogFilter(filter): &LogFilter,
    ansi: bool,
) -> io::Result<()> {
    let log = LineWriter::start(output, |_, lost| {
        tracing::warn!(target: LOST, lost, "log lines were lost: standard output took no more of them");
    })?;
    let log = LOG.get_or_init(|| log).clone();
    let lines = tracing_subscriber::registry().with(filter.clone());
    let layer = fmt::layer()
        .log_internal_errors(false)
        .with_writer(LogLines { log, format });
    let _ = match format {
        LogFormat::Pretty => lines
            .with(layer.with_ansi(ansi).with_target(false))
            .try_init(),
        LogFormat::Json => lines.with(layer.json().flatten_event(true)).try_init(),
    };
    Ok(())
}

/// Waits until the last lines are written, but not for long. For the end of a process.
pub fn finish() {
    if let Some(log) = LOG.get() {
        log.finish(LAST_LINES_LIMIT);
    }
}

/// The same for a process that has no time, or goes on.
pub(crate) fn hurry() {
    if let Some(log) = LOG.get() {
        log.flush(HURRIED_LIMIT);
    }
}

/// Calls `say`, and waits up to `limit` until the log is written. Answers whether every line of it is: no
/// line was lost meanwhile, and the filter lets warnings under [`ONLY_COPY`] through.
pub(crate) async fn confirmed(limit: Duration, say: impl FnOnce()) -> bool {
    let Some(log) = LOG.get() else { return false };
    if !tracing::enabled!(target: ONLY_COPY, Level::WARN) {
        return false;
    }
    let lost = log.lost_ever();
    say();
    // A thread of its own waits: those of the runtime serve others.
    let written = tokio::task::spawn_blocking(move || log.flush(limit)).await;
    written.unwrap_or(false) && log.lost_ever() == lost
}

impl<'a> MakeWriter<'a> for LogLines {
    type Writer = LogLine<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        LogLine {
            lines: self,
            rule: Rule::Droppable,
        }
    }

    fn make_writer_for(&'a self, about: &Metadata<'_>) -> Self::Writer {
        let rule = match *about.level() {
            Level::ERROR | Level::WARN => match about.target() {
                LOST => Rule::Always,
                // Each request, and each dead letter, has lines of its own.
                ACCESS | ONLY_COPY => Rule::Droppable,
                _ => Rule::Counted,
            },
            _ => Rule::Droppable,
        };
        LogLine { lines: self, rule }
    }
}

impl Write for LogLine<'_> {
    /// Takes a whole line: each is formatted first, and then written at once.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let LogLines { log, format } = self.lines;
        if line.len() <= MAX_LINE_BYTES {
            log.push(line, self.rule);
        } else {
            let text = String::from_utf8_lossy(line);
            let shorter = match format {
                LogFormat::Pretty => cut_text(&text),
                LogFormat::Json => cut_json(&text),
            };
            log.push(shorter.as_bytes(), self.rule);
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
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
        let directives: Vec<&str> = text
            .split(',')
            .map(str::trim)
            .filter(|part| !part.is_empty())
            .collect();
        let filter = directives.join(",").parse();
        filter
            .map(Self)
            .map_err(|_| "expected levels between commas, such as info,http=warn")
    }
}
