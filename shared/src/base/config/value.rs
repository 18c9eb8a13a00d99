//! What a setting can be: any type that reads itself from text and explains its mistakes.
//!
//! No text of the standard library reaches people. Where an error cannot say what would be right, the
//! help of the setting does: it stands behind every mistake.

use std::convert::Infallible;
use std::num::ParseIntError;
use std::str::{FromStr, ParseBoolError};
use std::time::Duration;

/// The error of a type that a setting can have.
pub trait Explain {
    /// What would be right, for those who set something; `None` where the help says all of it.
    fn explain(self) -> Option<String>;
}

/// A length of time, written as `5s`, `1m 30s`, `200ms`, or whole seconds.
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
