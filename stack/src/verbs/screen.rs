//! Labelled lines for people on standard output, in colour if the user wants it and the terminal
//! can show it.

use std::io;
use std::io::{IsTerminal, Write};
use std::time::Duration;

use stack::project;

/// The width of the longest label and a space.
const LABEL_WIDTH: usize = 11;
/// Answers and entries are wrapped at this width, not counting label and margin.
const TEXT_WIDTH: usize = 96;

/// Standard output.
#[derive(Clone, Copy)]
pub(crate) struct Screen {
    color: bool,
}

/// The meaning of a colour.
#[derive(Clone, Copy)]
pub(crate) enum Ink {
    /// A headline.
    Title,
    /// The source of a line: a service or a stream.
    Label,
    /// A detail, which a hasty reader may skip.
    Detail,
    /// A good result.
    Good,
    /// A refusal or a wrong result.
    Bad,
}

impl Screen {
    /// Uses colours on a terminal, unless `NO_COLOR` is set.
    pub(crate) fn new(no_color: bool) -> Self {
        let unwanted = no_color || project::variable("NO_COLOR").is_some();
        Self {
            color: !unwanted && io::stdout().is_terminal(),
        }
    }

    /// `text` in the colour of this meaning.
    pub(crate) fn ink(self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Title => "1",
            Ink::Label => "36",
            Ink::Detail => "2",
            Ink::Good => "32",
            Ink::Bad => "31",
        };
        if self.color {
            format!("\x1b[{code}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }

    /// Writes one line. If the reader of the output is gone, the program goes on.
    #[expect(
        clippy::unused_self,
        reason = "a method, so that all output goes through a screen"
    )]
    pub(crate) fn line(self, text: &str) {
        let mut stdout = io::stdout().lock();
        let _ = writeln!(stdout, "{text}").and_then(|()| stdout.flush());
    }

    /// A sentence of the story.
    pub(crate) fn say(self, text: &str) {
        self.line(&format!("  {text}"));
    }

    /// Writes a line with its source `label` before it.
    pub(crate) fn labelled(self, label: &str, text: &str) {
        let label = self.ink(Ink::Label, &format!("{label:<LABEL_WIDTH$}"));
        self.line(&format!("  {label}{text}"));
    }

    /// Writes an event of the recovery with its time `elapsed`.
    pub(crate) fn moment(self, elapsed: Duration, text: &str) {
        let seconds = format!("{:.1} s", elapsed.as_secs_f64());
        self.line(&format!("  {seconds:>9}  {text}"));
    }

    /// Writes long text below a labelled line, and breaks it only between its parts.
    pub(crate) fn detail<'a>(self, parts: impl IntoIterator<Item = &'a str>) {
        for line in fill(parts) {
            let line = self.ink(Ink::Detail, line.trim_end());
            self.line(&format!("  {:LABEL_WIDTH$}{line}", ""));
        }
    }
}

/// The members of a JSON object, each with the comma behind it. A text value that ends with a comma
/// is split as well, which only changes where a line is broken.
pub(super) fn members(json: &str) -> impl Iterator<Item = &str> {
    let mut rest = json;
    std::iter::from_fn(move || {
        let end = rest.find(",\"").map_or(rest.len(), |comma| comma + 1);
        let (member, others) = rest.split_at(end);
        rest = others;
        (!member.is_empty()).then_some(member)
    })
}

fn fill<'a>(parts: impl IntoIterator<Item = &'a str>) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for part in parts {
        match lines.last_mut() {
            Some(line) if line.chars().count() + part.chars().count() <= TEXT_WIDTH => {
                line.push_str(part);
            }
            _ => lines.push(part.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_answer_is_broken_between_its_members_and_loses_nothing() {
        let json = format!(
            r#"{{"a":"{}","b":"x,y","c":"{}","d":1}}"#,
            "é".repeat(60),
            "z".repeat(60)
        );
        let lines = fill(members(&json));
        assert_eq!(lines.concat(), json);
        assert_eq!(lines.len(), 2);
        assert!(lines[1].starts_with("\"c\""), "{lines:?}");
    }
}
