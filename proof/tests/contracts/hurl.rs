//! Reads the part of Hurl (<https://hurl.dev>) that the requests in the tree use.
//!
//! An unknown line is an error, because no test would check it. The official parser needs C
//! libraries, and `cargo test` must need none.

use std::time::Duration;

use regex::Regex;

pub(crate) use check::{Check, Filter, Part, Predicate, Subject};

mod check;
pub(crate) mod run;

/// One request, and the answer that it must get.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    /// The comment above the request: its first sentence, and all of it.
    pub(crate) title: String,
    pub(crate) about: String,
    pub(crate) method: String,
    pub(crate) url: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) query: Vec<(String, String)>,
    /// Variables that are set before the request.
    pub(crate) variables: Vec<(String, String)>,
    /// How often the request is sent again until its answer is right, and the pause before each
    /// try.
    pub(crate) retry: u32,
    pub(crate) retry_interval: Duration,
    pub(crate) body: Option<String>,
    pub(crate) status: u16,
    /// Names, and the part of the answer that each of them keeps.
    pub(crate) captures: Vec<(String, Subject)>,
    pub(crate) checks: Vec<Check>,
    answered: bool,
}

/// One file: its title from the comment at its top, and its requests.
#[derive(Debug)]
pub(crate) struct File {
    pub(crate) title: String,
    pub(crate) about: String,
    pub(crate) entries: Vec<Entry>,
}

/// Reads a file, or names the line that it cannot read.
pub(crate) fn parse(text: &str) -> Result<File, String> {
    let mut reader = Reader {
        comment: Vec::new(),
        comments: Vec::new(),
        entries: Vec::new(),
    };
    let mut lines = text.lines().enumerate();
    let mut section = String::new();
    while let Some((number, line)) = lines.next() {
        if matches!(line, "{" | "```") {
            let end = if line == "{" { "}" } else { "```" };
            let inside: Vec<&str> = lines
                .by_ref()
                .map(|(_, line)| line)
                .take_while(|line| *line != end)
                .collect();
            reader
                .body(end, &inside.join("\n"))
                .ok_or_else(|| unknown(number, line))?;
            continue;
        }
        reader
            .line(&mut section, line)
            .ok_or_else(|| unknown(number, line))?;
    }
    let unanswered = reader.entries.iter().find(|entry| !entry.answered);
    match (unanswered, reader.comments.first()) {
        (Some(entry), _) => Err(format!("{}: what is its answer?", entry.title)),
        (None, None) => Err("there is no comment at the top".to_owned()),
        (None, Some(comment)) => {
            let (title, about) = sentences(comment);
            Ok(File {
                title,
                about,
                entries: reader.entries,
            })
        }
    }
}

struct Reader {
    /// The comment that is being read, and all comments before it.
    comment: Vec<String>,
    comments: Vec<Vec<String>>,
    entries: Vec<Entry>,
}

impl Reader {
    /// Reads a line; `None` if the line may not stand in this section.
    fn line(&mut self, section: &mut String, line: &str) -> Option<()> {
        if let Some(comment) = line.strip_prefix('#') {
            self.comment.push(comment.trim().to_owned());
            return Some(());
        }
        if let Some((method, url)) = request_line(line) {
            section.clear();
            let (title, about) = sentences(&self.comment);
            self.comment.clear();
            let (method, url) = (method.to_owned(), url.to_owned());
            self.entries.push(Entry {
                title,
                about,
                method,
                url,
                ..Entry::default()
            });
            return Some(());
        }
        if !self.comment.is_empty() {
            self.comments.push(std::mem::take(&mut self.comment));
        }
        if line.is_empty() {
            return Some(());
        }
        let entry = self.entries.last_mut()?;
        if let Some(status) = line.strip_prefix("HTTP ") {
            section.clear();
            entry.status = status.parse().ok()?;
            return (!std::mem::replace(&mut entry.answered, true)).then_some(());
        }
        if let Some(name) = line
            .strip_prefix('[')
            .and_then(|name| name.strip_suffix(']'))
        {
            name.clone_into(section);
            return Some(());
        }
        entry.line(section, line)
    }

    fn body(&mut self, end: &str, inside: &str) -> Option<()> {
        let entry = self.entries.last_mut().filter(|entry| !entry.answered)?;
        let body = if end == "}" {
            format!("{{\n{inside}\n}}")
        } else {
            format!("{inside}\n")
        };
        entry.body.replace(body).is_none().then_some(())
    }
}

impl Entry {
    fn line(&mut self, section: &str, line: &str) -> Option<()> {
        if section == "Asserts" && self.answered {
            self.checks.push(check::parse(line)?);
            return Some(());
        }
        let (name, value) = line.split_once(':')?;
        let (name, value) = (name.trim().to_owned(), value.trim().to_owned());
        match (section, self.answered) {
            ("", false) => self.headers.push((name, value)),
            ("", true) => self.checks.push(Check::header(name, &value)),
            ("Query", false) => self.query.push((name, value)),
            ("Options", false) => self.option(&name, &value)?,
            ("Captures", true) => self.captures.push((name, check::parse_subject(&value)?)),
            _ => return None,
        }
        Some(())
    }

    fn option(&mut self, name: &str, value: &str) -> Option<()> {
        match name {
            "retry" => self.retry = value.parse().ok()?,
            "retry-interval" => {
                let millis = value.strip_suffix("ms")?.parse().ok()?;
                self.retry_interval = Duration::from_millis(millis);
            }
            "variable" => {
                let (name, value) = value.split_once('=')?;
                let value = value.strip_prefix('"')?.strip_suffix('"')?;
                self.variables.push((name.to_owned(), value.to_owned()));
            }
            _ => return None,
        }
        Some(())
    }
}

fn request_line(line: &str) -> Option<(&str, &str)> {
    let (method, url) = line.split_once(' ')?;
    let known = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].contains(&method);
    (known && !url.contains(' ')).then_some((method, url))
}

/// The first sentence of a comment without its full stop, and the whole comment.
fn sentences(comment: &[String]) -> (String, String) {
    let text = comment.join("\n");
    let flat = text.replace('\n', " ");
    let end = Regex::new(r"[.:](\s|$)")
        .unwrap()
        .find(&flat)
        .map_or(flat.len(), |end| end.start());
    (flat[..end].to_owned(), text)
}

fn unknown(number: usize, line: &str) -> String {
    format!("line {}: not understood: {line}", number + 1)
}

#[test]
fn a_line_that_is_not_understood_is_an_error() {
    let right = "# Tea.\n\n# Drink it.\nGET {{cup}}/tea\n[Query]\nsugar: 1\nHTTP 200\n[Asserts]\n\
                 jsonpath \"$.hot\" == true\n";
    assert_eq!(parse(right).unwrap().entries[0].title, "Drink it");
    for (old, new) in [
        ("[Query]", "[Cookies]"),
        ("HTTP 200", "HTTP *"),
        ("HTTP 200\n[Asserts]\n", ""),
        ("sugar: 1", "sugar"),
        ("jsonpath", "xpath"),
        ("$.hot", "$..hot"),
        ("== true", "=="),
        ("== true", "isWarm"),
        ("== true", "== true # surely"),
        ("[Query]\nsugar: 1", "[Options]\ninsecure: true"),
    ] {
        assert!(right.contains(old), "{old}");
        assert!(parse(&right.replace(old, new)).is_err(), "{new}");
    }
}
