//! The value of a setting: any type that can be parsed from text, and whose error explains itself.
//!
//! No error text of the standard library is shown to people. Where an error cannot say which value
//! is valid, the help of the setting does: the report of a wrong value ends with it.

use std::convert::Infallible;
use std::num::ParseIntError;
use std::str::{FromStr, ParseBoolError};
use std::time::Duration;

/// An error from parsing the value of a setting.
pub trait Explain {
    /// What a valid value looks like. `None` if the help of the setting says all of it.
    fn explain(self) -> Option<String>;
}

/// A length of time, written as `5s`, `1m 30s` or `200ms`. A number without a unit means seconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span(pub Duration);

impl Explain for ParseIntError {
    fn explain(self) -> Option<String> {
        None
    }
}

impl Explain for ParseBoolError {
    fn explain(self) -> Option<String> {
        Some("expected true or false".to_owned())
    }
}

impl Explain for Infallible {
    fn explain(self) -> Option<String> {
        None
    }
}

impl Explain for String {
    fn explain(self) -> Option<String> {
        Some(self)
    }
}

impl Explain for &'static str {
    fn explain(self) -> Option<String> {
        Some(self.to_owned())
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
