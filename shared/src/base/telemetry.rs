//! Logs: one line for each event, to standard output, without waiting for the reader of the output.

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

/// Longest wait for the last lines to be written, at the end of a process.
const LAST_LINES_LIMIT: Duration = Duration::from_millis(500);
/// Longest wait for the lines to be written after a panic, or before an immediate exit.
const HURRIED_LIMIT: Duration = Duration::from_millis(100);
/// The target of the line that says how many lines were lost.
const LOST: &str = "log";
/// The target of lines about requests.
const ACCESS: &str = "http";

/// The target of lines that are the only copy of a dead letter. Each of them is written: a
/// repetition is not replaced by a count.
pub(crate) const ONLY_COPY: &str = "dead_letter";

/// The log of this process.
static LOG: OnceLock<LineWriter> = OnceLock::new();

/// The format of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// Text for people.
    Pretty,
    /// One JSON object on each line, for machines.
    Json,
}

/// Which log lines are written: the directives of `RUST_LOG`, each a level, or `target=level`.
///
/// `EnvFilter` can also filter by spans and fields, but it depends on an engine for regular
/// expressions. A target and a level are enough here.
#[derive(Clone, Debug)]
pub struct LogFilter(Targets);

/// Hands each line to the log with the rule for its level. Repeated warnings and errors are
/// counted.
struct LogLines {
    log: LineWriter,
    format: LogFormat,
}

/// One line on its way to the log.
struct LogLine<'a> {
    lines: &'a LogLines,
    rule: Rule,
}

/// Starts logging to standard output. A panic is logged too, so that the reader of the log sees it.
///
/// A service calls this once, before anything else; a second call changes nothing. If standard
/// output takes no more lines, they are lost and counted, and the process goes on.
pub fn init(format: LogFormat, filter: &LogFilter, in_color: bool) -> io::Result<()> {
    let ansi = in_color && io::stdout().is_terminal();
    init_to(io::stdout(), format, filter, ansi)?;
    std::panic::set_hook(Box::new(|panic| {
        let location = panic
            .location()
            .map(ToString::to_string)
            .unwrap_or_default();
        // The location comes first, because a long message is cut at its end.
        let message = panic.payload_as_str().unwrap_or("no message");
        tracing::error!("panic at {location}: {message}");
        hurry();
    }));
    Ok(())
}

/// Starts logging to `output`. Panics are not logged.
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

/// Waits until the last lines are written, at most 500 ms. For the end of a process.
pub fn finish() {
    if let Some(log) = LOG.get() {
        log.finish(LAST_LINES_LIMIT);
    }
}

/// Waits until the lines so far are written, at most 100 ms. For a panic, and for an immediate
/// exit.
pub(crate) fn hurry() {
    if let Some(log) = LOG.get() {
        log.flush(HURRIED_LIMIT);
    }
}

/// Calls `say`, and waits up to `limit` until its lines are written. `true` means that they surely
/// are: no line was lost meanwhile, and the filter lets warnings with the target [`ONLY_COPY`]
/// through.
pub(crate) async fn confirmed(limit: Duration, say: impl FnOnce()) -> bool {
    let Some(log) = LOG.get() else { return false };
    if !tracing::enabled!(target: ONLY_COPY, Level::WARN) {
        return false;
    }
    let lost = log.lost_ever();
    say();
    // The wait blocks, so it has a thread of its own: the threads of the runtime serve other tasks.
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
                // Each request and each dead letter needs its own line, even if the text is the
                // same.
                ACCESS | ONLY_COPY => Rule::Droppable,
                _ => Rule::Counted,
            },
            _ => Rule::Droppable,
        };
        LogLine { lines: self, rule }
    }
}

impl Write for LogLine<'_> {
    /// Takes a whole line: the formatter calls this once for each line.
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
