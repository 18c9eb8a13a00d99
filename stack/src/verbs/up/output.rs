//! What people see: the log lines of all processes, each with the name of its process.

use std::{
    io::{self, IsTerminal, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use stack::{process::LineSink, project};

/// As wide as the longest name.
const NAME_WIDTH: usize = 17;
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
    color: bool,
    stores_speak: Arc<AtomicBool>,
}

impl Output {
    pub(super) fn new(no_color: bool) -> Self {
        let unwanted = no_color || project::variable("NO_COLOR").is_some();
        Self { color: !unwanted && io::stdout().is_terminal(), stores_speak: Arc::default() }
    }

    /// Tells the children what was decided here: their own output is a pipe and they cannot know.
    pub(super) fn child_env(&self) -> Option<(String, String)> {
        (!self.color).then(|| ("NO_COLOR".to_owned(), "1".to_owned()))
    }

    /// Prints each line with the name before it.
    pub(super) fn sink(&self, name: &str) -> LineSink {
        let prefix = self.prefix(name);
        Arc::new(move |line| write(&format!("{prefix} {line}\n")))
    }

    /// The same for a store, but only what it marks as a warning (`#`), and only between start and
    /// stop: each of them is a dozen such lines that say nothing. A store that fails is quoted in
    /// full anyway.
    pub(super) fn warnings_sink(&self, name: &str) -> LineSink {
        let (all, speak) = (self.sink(name), self.stores_speak.clone());
        Arc::new(move |line| {
            if speak.load(Ordering::Relaxed) && line.contains(" # ") {
                all(line);
            }
        })
    }

    /// From now on the stores are heard, or not.
    pub(super) fn let_stores_speak(&self, speak: bool) {
        self.stores_speak.store(speak, Ordering::Relaxed);
    }

    fn prefix(&self, name: &str) -> String {
        let color = COLORS.iter().find(|(known, _)| *known == name).map_or("0", |(_, color)| color);
        if self.color {
            format!("\x1b[{color}m{name:NAME_WIDTH$} |\x1b[0m")
        } else {
            format!("{name:NAME_WIDTH$} |")
        }
    }
}

/// Prints text of this program itself, whole.
pub(super) fn print(text: &str) {
    write(text);
}

/// One call per line, so that lines of different processes never mix. Nobody reading any more is no
/// reason to stop the system.
fn write(text: &str) {
    let mut stdout = io::stdout().lock();
    let _ = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
}
