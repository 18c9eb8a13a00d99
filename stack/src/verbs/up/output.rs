//! What people see: the log lines of all processes, each with the name of its process. Where nobody reads
//! them they are lost and counted: the processes must not wait for the reader of a terminal or a pipe.

use std::io;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use shared::base::line_writer::{LineWriter, Rule, cut_text};
use stack::process::LineSink;
use stack::project;

/// As wide as the longest name.
const NAME_WIDTH: usize = 17;
/// The longest wait at the end for a reader of the last lines.
const LAST_LINES_LIMIT: Duration = Duration::from_secs(1);
/// What a line of `deploy/start-store.sh` begins with.
const START_SCRIPT: &str = "start-store.sh: ";
const COLORS: [(&str, &str); 6] = [
    ("inventory serve", "36"),
    ("inventory consume", "34"),
    ("inventory redis", "90"),
    ("payments serve", "33"),
    ("payments consume", "35"),
    ("payments redis", "90"),
];

/// Writes whole lines to standard output, in colour if that is wanted and possible.
pub(super) struct Output {
    lines: LineWriter,
    color: bool,
    stores_speak: Arc<AtomicBool>,
}

impl Output {
    pub(super) fn new(no_color: bool) -> Result<Self> {
        let unwanted = no_color || project::variable("NO_COLOR").is_some();
        let lines = LineWriter::start(io::stdout(), tell_lost);
        let lines = lines.context("the system gives no thread for the output")?;
        let color = !unwanted && io::stdout().is_terminal();
        Ok(Self {
            lines,
            color,
            stores_speak: Arc::default(),
        })
    }

    /// Tells the children what was decided here: their own output is a pipe and they cannot know.
    pub(super) fn child_env(&self) -> Option<(String, String)> {
        (!self.color).then(|| ("NO_COLOR".to_owned(), "1".to_owned()))
    }

    /// Prints each line with the name before it.
    pub(super) fn sink(&self, name: &str) -> LineSink {
        let (prefix, lines) = (self.prefix(name), self.lines.clone());
        Arc::new(move |line| {
            let line = format!("{prefix} {line}\n");
            lines.push(cut_text(&line).as_bytes(), Rule::Droppable);
        })
    }

    /// The same for a store, but only what its start script says, and what the server marks as a
    /// warning (`#`), and that only between start and stop: each of them is a dozen such lines that
    /// say nothing. A store that fails is quoted in full anyway.
    pub(super) fn warnings_sink(&self, name: &str) -> LineSink {
        let (all, speak) = (self.sink(name), self.stores_speak.clone());
        Arc::new(move |line| {
            let warns = speak.load(Ordering::Relaxed) && line.contains(" # ");
            if warns || line.starts_with(START_SCRIPT) {
                all(line);
            }
        })
    }

    /// From now on the stores are heard, or not.
    pub(super) fn let_stores_speak(&self, speak: bool) {
        self.stores_speak.store(speak, Ordering::Relaxed);
    }

    /// Prints text of this program itself, whole.
    pub(super) fn print(&self, text: &str) {
        self.lines.push(text.as_bytes(), Rule::Always);
    }

    /// Waits until the last lines are written, but not for long.
    pub(super) fn finish(&self) {
        self.lines.finish(LAST_LINES_LIMIT);
    }

    fn prefix(&self, name: &str) -> String {
        let color = COLORS
            .iter()
            .find(|(known, _)| *known == name)
            .map_or("0", |(_, color)| color);
        if self.color {
            format!("\x1b[{color}m{name:NAME_WIDTH$} |\x1b[0m")
        } else {
            format!("{name:NAME_WIDTH$} |")
        }
    }
}

fn tell_lost(lines: &LineWriter, lost: u64) {
    let name = "stack";
    let line = format!(
        "{name:NAME_WIDTH$} |  WARN {lost} lines were lost: this output took no more of them\n"
    );
    lines.push(line.as_bytes(), Rule::Always);
}
