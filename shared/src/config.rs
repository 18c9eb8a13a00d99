//! Configuration from the environment, twelve-factor style.
//!
//! A service describes its settings once, by reading them: the same function fills the
//! configuration and, with `--help`, lists every variable with its default and unit. All mistakes
//! are reported together.

use std::fmt::{self, Write};
use std::str::FromStr;
use std::time::Duration;

use crate::redis::url_mistake;

/// One setting: the environment variable that fills it, and what `--help` says about it.
#[derive(Clone, Copy, Debug)]
pub struct Setting {
    /// The environment variable. `NAME_FILE` names a file that holds the value instead.
    pub name: &'static str,
    /// What stands when the variable is not set; empty means "unset".
    pub default: &'static str,
    /// What it does, with unit and range.
    pub help: &'static str,
}

/// Answers the value of a variable, or `None` when it is not set.
type Source = Box<dyn Fn(&str) -> Option<String>>;

/// Reads settings and remembers every mistake.
pub struct Reader {
    source: Source,
    seen: Vec<Setting>,
    mistakes: Vec<String>,
}

/// A configuration: a value for each of its settings.
pub trait Configuration: Sized {
    /// Reads the settings. `None` means that at least one is wrong. Every setting is read before
    /// the first wrong one may end this function, so that all mistakes are reported together.
    fn read(reader: &mut Reader) -> Option<Self>;

    /// Reads the environment, or lists everything that is wrong with it.
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

/// Everything that is wrong with the configuration, one line each.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("the configuration has {} mistake(s):\n  {}", .0.len(), .0.join("\n  "))]
pub struct Mistakes(pub Vec<String>);

/// A Redis URL with a password that `Debug` and `Display` never show.
#[derive(Clone, PartialEq, Eq)]
pub struct RedisUrl(String);

/// A length of time, written as `5s`, `1m 30s`, `200ms`, or whole seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl Reader {
    /// Reads the environment of this process.
    #[expect(
        clippy::disallowed_methods,
        reason = "this is the one place that reads the environment"
    )]
    pub fn environment() -> Self {
        Self::from_source(|name| std::env::var(name).ok())
    }

    /// Reads from `source`, which answers `None` for a variable that is not set.
    pub fn from_source(source: impl Fn(&str) -> Option<String> + 'static) -> Self {
        Self { source: Box::new(source), seen: Vec::new(), mistakes: Vec::new() }
    }

    /// The value of a setting. `None` means that it is wrong, which [`Reader::finish`] will report.
    pub fn read<T: FromStr<Err: fmt::Display>>(&mut self, setting: Setting) -> Option<T> {
        let text = self.text(setting)?;
        text.parse().map_err(|error| self.mistake(setting.name, &error)).ok()
    }

    /// The value of a setting that may be left unset. `Some(None)` means unset, `None` wrong.
    pub fn optional<T: FromStr<Err: fmt::Display>>(
        &mut self,
        setting: Setting,
    ) -> Option<Option<T>> {
        let text = self.text(setting)?;
        if text.is_empty() {
            return Some(None);
        }
        text.parse().map(Some).map_err(|error| self.mistake(setting.name, &error)).ok()
    }

    /// A length of time between `min` and `max`, both included.
    pub fn span(&mut self, setting: Setting, min: Duration, max: Duration) -> Option<Duration> {
        let Span(span) = self.read(setting)?;
        if (min..=max).contains(&span) {
            return Some(span);
        }
        let range = format!(
            "must be between {} and {}",
            humantime::format_duration(min),
            humantime::format_duration(max)
        );
        self.mistake(setting.name, &range);
        None
    }

    /// The configuration, or everything that is wrong with it.
    pub fn finish<T>(self, config: Option<T>) -> Result<T, Mistakes> {
        match config {
            Some(config) if self.mistakes.is_empty() => Ok(config),
            _ => Err(Mistakes(self.mistakes)),
        }
    }

    /// The settings read so far, as `--help` lists them.
    pub fn describe(&self) -> String {
        let name_width = self.seen.iter().map(|setting| setting.name.len()).max().unwrap_or(0);
        let default_width =
            self.seen.iter().map(|setting| setting.default.len()).max().unwrap_or(0);
        let mut text = String::from("Environment (NAME_FILE reads the value from a file):\n");
        for Setting { name, default, help } in &self.seen {
            let default = if default.is_empty() { "-" } else { default };
            // Writing to a String cannot fail.
            let _ = writeln!(text, "  {name:name_width$}  {default:default_width$}  {help}");
        }
        text
    }

    fn text(&mut self, setting: Setting) -> Option<String> {
        self.seen.push(setting);
        if let Some(value) = (self.source)(setting.name) {
            return Some(value.trim().to_owned());
        }
        let Some(path) = (self.source)(&format!("{}_FILE", setting.name)) else {
            return Some(setting.default.to_owned());
        };
        match std::fs::read_to_string(&path) {
            Ok(value) => Some(value.trim().to_owned()),
            Err(error) => {
                self.mistake(setting.name, &format!("cannot read {path}: {error}"));
                None
            }
        }
    }

    /// Remembers that a setting is wrong.
    pub(crate) fn mistake(&mut self, name: &str, error: &dyn fmt::Display) {
        self.mistakes.push(format!("{name}: {error}"));
    }
}

impl RedisUrl {
    /// Whether it names a cluster.
    pub(crate) fn is_cluster(&self) -> bool {
        self.0.starts_with("redis-cluster:")
    }

    /// The whole URL, password included: for the client, never for a log.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl FromStr for RedisUrl {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let schemes = ["redis://", "redis-sentinel://", "redis-cluster://"];
        if !schemes.iter().any(|scheme| text.starts_with(scheme)) {
            return Err(format!("expected a URL that begins with {}", schemes.join(" or ")));
        }
        url_mistake(text).map_or_else(|| Ok(Self(text.to_owned())), |why| Err(why.to_owned()))
    }
}

impl fmt::Display for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // There may be a password behind the address too, that of the Sentinels.
        let url = self.0.split_once('?').map_or(self.0.as_str(), |(url, _)| url);
        match (url.split_once("://"), url.rsplit_once('@')) {
            (Some((scheme, _)), Some((_, address))) => write!(f, "{scheme}://…@{address}"),
            _ => f.write_str(url),
        }
    }
}

impl fmt::Debug for RedisUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(seconds) = text.parse::<u32>() {
            return Ok(Self(Duration::from_secs(u64::from(seconds))));
        }
        humantime::parse_duration(text)
            .map(Self)
            .map_err(|_| "expected a length of time such as 5s, 200ms or 10m".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashMap;

    const DELAY: Setting = Setting { name: "DELAY", default: "5s", help: "how long" };
    const COUNT: Setting = Setting { name: "COUNT", default: "", help: "how many" };
    const STORE: Setting =
        Setting { name: "STORE", default: "redis://127.0.0.1:6379", help: "where" };

    fn reader(set: &[(&str, &str)]) -> Reader {
        let set: HashMap<String, String> =
            set.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        Reader::from_source(move |name| set.get(name).cloned())
    }

    fn delay(reader: &mut Reader) -> Option<Duration> {
        reader.span(DELAY, Duration::ZERO, Duration::from_mins(1))
    }

    #[test]
    fn defaults_stand_where_nothing_is_set() {
        let mut reader = reader(&[]);
        assert_eq!(delay(&mut reader), Some(Duration::from_secs(5)));
        assert_eq!(reader.optional::<u16>(COUNT), Some(None));
    }

    #[test]
    fn a_length_of_time_has_a_unit_or_is_in_seconds() {
        for (text, ms) in [("0", 0), ("7", 7_000), ("250ms", 250), ("1m", 60_000)] {
            assert_eq!(delay(&mut reader(&[("DELAY", text)])), Some(Duration::from_millis(ms)));
        }
    }

    #[test]
    fn all_mistakes_are_reported_at_once() {
        let mut reader = reader(&[("DELAY", "1h"), ("COUNT", "many"), ("STORE_FILE", "/nowhere")]);
        let config = delay(&mut reader)
            .zip(reader.optional::<u16>(COUNT))
            .zip(reader.read::<RedisUrl>(STORE));
        let Mistakes(lines) = reader.finish(config).unwrap_err();
        // `zip` evaluates each reading, so that none hides behind another.
        assert_eq!(lines.len(), 3, "{lines:?}");
        assert!(lines[0].starts_with("DELAY: must be between 0s and 1m"), "{lines:?}");
        assert!(lines[2].contains("/nowhere"), "{lines:?}");
    }

    #[test]
    fn a_value_may_come_from_a_file() {
        let path = std::env::temp_dir().join(format!("shared-config-{}", std::process::id()));
        std::fs::write(&path, "3s\n").unwrap();
        let path_text = path.to_str().unwrap();
        assert_eq!(delay(&mut reader(&[("DELAY_FILE", path_text)])), Some(Duration::from_secs(3)));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_password_is_never_shown() {
        let url: RedisUrl = "redis://payments:s3cret@127.0.0.1:6379".parse().unwrap();
        assert_eq!(format!("{url} {url:?}"), "redis://…@127.0.0.1:6379 redis://…@127.0.0.1:6379");
        let url = "redis-sentinel://payments:s3cret@a:26379?node=b:26379&sentinelServiceName=payments\
                   &sentinelUsername=sentinel&sentinelPassword=s3cret";
        let url: RedisUrl = url.parse().unwrap();
        assert_eq!(
            format!("{url} {url:?}"),
            "redis-sentinel://…@a:26379 redis-sentinel://…@a:26379"
        );
        for text in [
            "redis-sentinel://:s3cret@a:26379",
            "127.0.0.1:6379",
            "http://127.0.0.1",
            "redis://:s3cret@host:port",
        ] {
            let error = text.parse::<RedisUrl>().unwrap_err();
            assert!(!error.contains("s3cret"), "{error}");
        }
    }
}
