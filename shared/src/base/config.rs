//! Configuration from the environment, twelve-factor style.
//!
//! One function of a service reads all its settings. It fills the configuration, and for `--help`
//! it lists every variable with its default and unit. All mistakes are reported together.

use std::ffi::OsString;
use std::fmt::{self, Write};
use std::io;
use std::str::FromStr;
use std::time::Duration;

mod address;
mod value;

pub use address::Address;
pub use value::{Explain, Span};

/// One setting: the environment variable that fills it, and what `--help` says about it.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The environment variable. `NAME_FILE` names a file that holds the value instead. An empty or
    /// blank variable counts as not set.
    pub name: &'static str,
    /// The value if the variable is not set. An empty default means that the setting is unset.
    pub default: &'static str,
    /// What the setting does, with unit and range. The report of a wrong value ends with this text,
    /// so it has to say which values are valid.
    pub help: &'static str,
}

/// Answers the value of a variable, or `None` when it is not set.
type Source = Box<dyn Fn(&str) -> Option<OsString>>;

/// Most characters of a wrong value that the report of the mistake repeats.
const SHOWN: usize = 40;

/// Reads settings and remembers every mistake.
pub struct Reader {
    source: Source,
    seen: Vec<Setting>,
    mistakes: Vec<String>,
}

/// A configuration: one value for each setting.
pub trait Configuration: Sized {
    /// Reads the settings. `None` means that at least one is wrong. An implementation reads every
    /// setting before it returns `None` for a wrong one, so that all mistakes are reported
    /// together.
    fn read(reader: &mut Reader) -> Option<Self>;

    /// Reads the environment, or lists all mistakes in it.
    fn from_env() -> Result<Self, Mistakes> {
        let mut reader = Reader::environment();
        let config = Self::read(&mut reader);
        reader.finish(config)
    }

    /// What `--help` says about the environment.
    fn describe() -> String {
        let mut reader = Reader::from_source(|_| None);
        Self::read(&mut reader);
        reader.describe()
    }
}

/// All mistakes in the configuration, one line each.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the configuration has {} mistake(s):\n  {}", .0.len(), .0.join("\n  "))]
pub struct Mistakes(pub Vec<String>);

impl Reader {
    /// Reads the environment of this process.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the environment"
    )]
    pub fn environment() -> Self {
        Self::from_os_source(|name| std::env::var_os(name))
    }

    /// Reads from `source`, which answers `None` for a variable that is not set.
    pub fn from_source(source: impl Fn(&str) -> Option<String> + 'static) -> Self {
        Self::from_os_source(move |name| source(name).map(Into::into))
    }

    /// Like [`Reader::from_source`], for values that may not be UTF-8 text.
    pub fn from_os_source(source: impl Fn(&str) -> Option<OsString> + 'static) -> Self {
        Self {
            source: Box::new(source),
            seen: Vec::new(),
            mistakes: Vec::new(),
        }
    }

    /// The value of a setting. `None` means a wrong value, which [`Reader::finish`] will report.
    pub fn read<T: FromStr<Err: Explain>>(&mut self, setting: Setting) -> Option<T> {
        let text = self.text(setting)?;
        self.value(setting, &text)
    }

    /// The value of a setting that may be left unset. `Some(None)` means unset, `None` means wrong.
    pub fn optional<T: FromStr<Err: Explain>>(&mut self, setting: Setting) -> Option<Option<T>> {
        let text = self.text(setting)?;
        if text.is_empty() {
            Some(None)
        } else {
            self.value(setting, &text).map(Some)
        }
    }

    /// A length of time from `min` to `max`. The help of the setting has to name both limits.
    pub fn span(&mut self, setting: Setting, min: Duration, max: Duration) -> Option<Duration> {
        let text = self.text(setting)?;
        let Span(span) = self.value(setting, &text)?;
        if (min..=max).contains(&span) {
            return Some(span);
        }
        self.wrong(setting, &text, None);
        None
    }

    /// A whole number from `min` to `max`, or unset. The help of the setting has to name both
    /// limits.
    pub fn number(&mut self, setting: Setting, min: usize, max: usize) -> Option<Option<usize>> {
        let text = self.text(setting)?;
        if text.is_empty() {
            return Some(None);
        }
        let number = self.value(setting, &text)?;
        if (min..=max).contains(&number) {
            return Some(Some(number));
        }
        self.wrong(setting, &text, None);
        None
    }

    /// The configuration, or all mistakes in it.
    pub fn finish<T>(self, config: Option<T>) -> Result<T, Mistakes> {
        match config {
            Some(config) if self.mistakes.is_empty() => Ok(config),
            _ => Err(Mistakes(self.mistakes)),
        }
    }

    /// The settings read so far, as `--help` lists them.
    pub fn describe(&self) -> String {
        let name_width = self
            .seen
            .iter()
            .map(|setting| setting.name.len())
            .max()
            .unwrap_or(0);
        let default_width = self
            .seen
            .iter()
            .map(|setting| setting.default.len())
            .max()
            .unwrap_or(0);
        let mut text = String::from("Environment (NAME_FILE reads the value from a file):\n");
        for Setting {
            name,
            default,
            help,
        } in &self.seen
        {
            let default = if default.is_empty() { "-" } else { default };
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "  {name:name_width$}  {default:default_width$}  {help}"
            );
        }
        text
    }

    fn value<T: FromStr<Err: Explain>>(&mut self, setting: Setting, text: &str) -> Option<T> {
        text.parse()
            .map_err(|error: T::Err| self.wrong(setting, text, error.explain()))
            .ok()
    }

    /// The text of a setting: from its variable, from the file that its `_FILE` variable names, or
    /// the default.
    fn text(&mut self, setting: Setting) -> Option<String> {
        self.seen.push(setting);
        let Setting { name, default, .. } = setting;
        let file = format!("{name}_FILE");
        let mistake = match (self.variable(name), self.variable(&file)) {
            (Ok(None), Ok(None)) => return Some(default.to_owned()),
            (Ok(Some(value)), Ok(None)) => return Some(value),
            (Ok(None), Ok(Some(path))) => match read_file(&path) {
                Ok(value) => return Some(value),
                Err(reason) => format!("{file} names {path}, which {reason}"),
            },
            (Ok(Some(_)), Ok(Some(_))) => format!("{file} is set as well: unset one of them"),
            (Err(_), _) => "its value is not UTF-8 text".to_owned(),
            (_, Err(_)) => format!("the value of {file} is not UTF-8 text"),
        };
        self.mistake(name, &mistake);
        None
    }

    /// The text of a variable, without blanks around it. An error is a value that is not UTF-8
    /// text.
    fn variable(&self, name: &str) -> Result<Option<String>, OsString> {
        let value = (self.source)(name).map(OsString::into_string).transpose()?;
        Ok(value
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty()))
    }

    fn wrong(&mut self, setting: Setting, text: &str, reason: Option<String>) {
        let reason = reason.unwrap_or_else(|| {
            let shown: String = text.chars().take(SHOWN).collect();
            format!("cannot be {shown:?}")
        });
        self.mistake(setting.name, &format!("{reason} ({})", setting.help));
    }

    /// Remembers that a setting is wrong.
    pub fn mistake(&mut self, name: &str, error: &dyn fmt::Display) {
        self.mistakes.push(format!("{name}: {error}"));
    }
}

/// The text in a file, or why it cannot be read.
fn read_file(path: &str) -> Result<String, &'static str> {
    let text = std::fs::read_to_string(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => "does not exist",
        io::ErrorKind::PermissionDenied => "this process may not read",
        io::ErrorKind::IsADirectory => "is a folder and not a file",
        io::ErrorKind::InvalidData => "is not UTF-8 text",
        _ => "cannot be read",
    })?;
    let text = text.trim();
    if text.is_empty() {
        Err("is empty")
    } else {
        Ok(text.to_owned())
    }
}

#[cfg(test)]
mod tests;
