//! Prints the log lines of all processes, each with the name of its process. If the terminal or the
//! pipe does not take lines, they are dropped and counted: no process may wait for a reader.

use std::io;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use shared::base::line_writer::{LineWriter, Rule, cut_text};
use stack::process::LineSink;
use stack::project;

/// The width of the longest name.
const NAME_WIDTH: usize = 17;
/// The longest wait at the end until the last lines are written.
const LAST_LINES_LIMIT: Duration = Duration::from_secs(1);
/// The beginning of every line of `deploy/start-store.sh`.
const START_SCRIPT: &str = "start-store.sh: ";
const COLORS: [(&str, &str); 6] = [
    ("inventory serve", "36"),
    ("inventory consume", "34"),
    ("inventory redis", "90"),
    ("payments serve", "33"),
    ("payments consume", "35"),
    ("payments redis", "90"),
];

/// Writes whole lines to standard output, in colour if the user wants it and the terminal can show
/// it.
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

    /// Tells the children whether to use colours: their output is a pipe, so they cannot decide it.
    pub(super) fn child_env(&self) -> Option<(String, String)> {
        (!self.color).then(|| ("NO_COLOR".to_owned(), "1".to_owned()))
    }

    /// A sink that prints each line with the name before it.
    pub(super) fn sink(&self, name: &str) -> LineSink {
        let (prefix, lines) = (self.prefix(name), self.lines.clone());
        Arc::new(move |line| {
            let line = format!("{prefix} {line}\n");
            lines.push(cut_text(&line).as_bytes(), Rule::Droppable);
        })
    }

    /// A sink for a store. It prints the lines of the start script, and the warnings (`#`) of the
    /// server between start and stop. A normal start or stop writes a dozen warnings that say
    /// nothing. The last lines of a store that fails are quoted anyway.
    pub(super) fn warnings_sink(&self, name: &str) -> LineSink {
        let (all, speak) = (self.sink(name), self.stores_speak.clone());
        Arc::new(move |line| {
            let warns = speak.load(Ordering::Relaxed) && line.contains(" # ");
            if warns || line.starts_with(START_SCRIPT) {
                all(line);
            }
        })
    }

    /// Sets whether the warnings of the stores are printed from now on.
    pub(super) fn let_stores_speak(&self, speak: bool) {
        self.stores_speak.store(speak, Ordering::Relaxed);
    }

    /// Prints text of this program itself, which is never dropped.
    pub(super) fn print(&self, text: &str) {
        self.lines.push(text.as_bytes(), Rule::Always);
    }

    /// Waits until the last lines are written, at most `LAST_LINES_LIMIT`.
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
