//! Prints the log lines of all processes, each with the name of its process. If the terminal or the
//! pipe does not take lines, they are dropped and counted: no process may wait for a reader.

use std::io;
use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use shared::base::line_writer::{LineWriter, Rule, cut_text};

use crate::process::LineSink;
use crate::project;

/// The longest wait at the end until the last lines are written.
const LAST_LINES_LIMIT: Duration = Duration::from_secs(1);
/// The beginning of every line of `deploy/start-store.sh`.
const START_SCRIPT: &str = "start-store.sh: ";

/// The names of the processes, each with its colour as a terminal numbers it.
pub type Colors = &'static [(&'static str, &'static str)];

/// Writes whole lines to standard output, in colour if the user wants it and the terminal can show
/// it.
pub struct Output {
    lines: LineWriter,
    color: bool,
    colors: Colors,
    servers_speak: Arc<AtomicBool>,
}

impl Output {
    /// An output for processes with these names.
    pub fn new(no_color: bool, colors: Colors) -> Result<Self> {
        let unwanted = no_color || project::variable("NO_COLOR").is_some();
        let tell_lost = move |lines: &LineWriter, lost| {
            let line = format!(
                "{} WARN {lost} lines were lost: this output took no more of them\n",
                padded("stack", colors)
            );
            lines.push(line.as_bytes(), Rule::Always);
        };
        let lines = LineWriter::start(io::stdout(), tell_lost);
        let lines = lines.context("the system gives no thread for the output")?;
        let color = !unwanted && io::stdout().is_terminal();
        Ok(Self {
            lines,
            color,
            colors,
            servers_speak: Arc::default(),
        })
    }

    /// Tells the children whether to use colours: their output is a pipe, so they cannot decide it.
    pub fn child_env(&self) -> Option<(String, String)> {
        (!self.color).then(|| ("NO_COLOR".to_owned(), "1".to_owned()))
    }

    /// A sink that prints each line with the name before it.
    pub fn sink(&self, name: &str) -> LineSink {
        let (prefix, lines) = (self.prefix(name), self.lines.clone());
        Arc::new(move |line| {
            let line = format!("{prefix} {line}\n");
            lines.push(cut_text(&line).as_bytes(), Rule::Droppable);
        })
    }

    /// A sink for a server. It prints the lines of the start script, and the warnings of the server
    /// between start and stop. A normal start or stop writes a dozen warnings that say nothing. The
    /// last lines of a server that fails are quoted anyway.
    pub fn warnings_sink(&self, name: &str, is_warning: fn(&str) -> bool) -> LineSink {
        let (all, speak) = (self.sink(name), self.servers_speak.clone());
        Arc::new(move |line| {
            let warns = speak.load(Ordering::Relaxed) && is_warning(line);
            if warns || line.starts_with(START_SCRIPT) {
                all(line);
            }
        })
    }

    /// Sets whether the warnings of the servers are printed from now on.
    pub fn let_servers_speak(&self, speak: bool) {
        self.servers_speak.store(speak, Ordering::Relaxed);
    }

    /// Prints text of this program itself, which is never dropped.
    pub fn print(&self, text: &str) {
        self.lines.push(text.as_bytes(), Rule::Always);
    }

    /// Waits until the last lines are written, at most `LAST_LINES_LIMIT`.
    pub fn finish(&self) {
        self.lines.finish(LAST_LINES_LIMIT);
    }

    fn prefix(&self, name: &str) -> String {
        let label = padded(name, self.colors);
        let color = self.colors.iter().find(|(known, _)| *known == name);
        let color = color.map_or("0", |(_, color)| color);
        if self.color {
            format!("\x1b[{color}m{label}\x1b[0m")
        } else {
            label
        }
    }
}

/// The name with the separator behind it, as wide as the longest name.
fn padded(name: &str, colors: Colors) -> String {
    let width = colors.iter().map(|(name, _)| name.len()).max();
    format!("{name:width$} |", width = width.unwrap_or_default())
}
