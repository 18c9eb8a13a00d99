//! Conditional requests (RFC 9110, section 13): a version stands in an `ETag`, and a client names
//! the versions it means, or knows.
//!
//! A change is conditional in the function that makes it, so that nothing comes between the look
//! and the change. What there is not (404) has no version: it is told before any condition. Which
//! operations take conditions at all, `declared` knows.

use std::fmt;

use poem::Request;
use poem::http::{HeaderName, HeaderValue, header};
use poem_openapi::types::ToHeader;

mod param;

pub use self::param::{IfMatch, IfNoneMatch};
use crate::http::problem::{PRECONDITION_FAILED, PRECONDITION_REQUIRED, Problem};

/// The strong entity tag of a version: `"7"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ETag(pub u64);

/// The condition of a request: which version a thing must have, and which it must not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// One of these.
    pub only: Option<Versions>,
    /// None of these.
    pub not: Option<Versions>,
}

/// Versions that a header names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Versions {
    /// Whichever there is.
    Any,
    /// These. Tags that are not of our making are no version of ours and are left out.
    Listed(Vec<u64>),
}

/// One tag of a list.
struct Tag<'a> {
    weak: bool,
    opaque: &'a [u8],
}

/// A header that lists tags.
enum Tags<'a> {
    Any,
    Listed(Vec<Tag<'a>>),
}

/// The header is no list of tags.
struct Unreadable;

/// A version that nothing has: versions count from 1.
const NO_VERSION: &str = "0";

impl Condition {
    /// Every version is as good.
    pub const NONE: Self = Self {
        only: None,
        not: None,
    };

    /// What both headers say.
    pub fn of(if_match: IfMatch, if_none_match: IfNoneMatch) -> Self {
        Self {
            only: if_match.0,
            not: if_none_match.0,
        }
    }

    /// What both headers say, where there must be an `If-Match`.
    pub fn required(if_match: IfMatch, if_none_match: IfNoneMatch) -> Result<Self, Problem> {
        let condition = Self::of(if_match, if_none_match);
        let detail = "send If-Match with the ETag of the version that this change is meant for";
        let missing = || Problem::new(&PRECONDITION_REQUIRED, detail);
        if condition.only.is_some() {
            Ok(condition)
        } else {
            Err(missing())
        }
    }

    /// Whether a change may be made to this version.
    pub fn admits(&self, version: u64) -> bool {
        let names = |versions: &Versions| versions.names(version);
        self.only.as_ref().is_none_or(names) && !self.not.as_ref().is_some_and(names)
    }

    /// How a function takes it: the versions of `If-Match`, and those of `If-None-Match` behind an
    /// exclamation mark. Each is `*`, or numbers with commas in between; empty, it says nothing.
    pub fn to_arg(&self) -> String {
        let only = self
            .only
            .as_ref()
            .map(|only| only.to_arg(NO_VERSION))
            .unwrap_or_default();
        match &self.not {
            None => only,
            Some(not) => format!("{only}!{}", not.to_arg("")),
        }
    }

    /// Whether a client that reads `what` has this version already, so that a 304 tells it
    /// everything. It is refused what has not the version that it asks for.
    pub fn is_known(&self, version: u64, what: &str) -> Result<bool, Problem> {
        let names = |versions: &Versions| versions.names(version);
        if self.only.as_ref().is_none_or(names) {
            Ok(self.not.as_ref().is_some_and(names))
        } else {
            Err(Self::failed(what))
        }
    }

    /// The problem of a condition that the version of `what` does not meet.
    pub fn failed(what: &str) -> Problem {
        let detail = format!("{what} has a version that If-Match or If-None-Match does not admit");
        Problem::new(&PRECONDITION_FAILED, detail)
    }
}

impl Versions {
    fn names(&self, version: u64) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(versions) => versions.contains(&version),
        }
    }

    fn to_arg(&self, none: &str) -> String {
        match self {
            Self::Any => "*".to_owned(),
            Self::Listed(versions) if versions.is_empty() => none.to_owned(),
            Self::Listed(versions) => versions
                .iter()
                .map(u64::to_string)
                .collect::<Vec<_>>()
                .join(","),
        }
    }
}

/// Whether the client has a page with this opaque tag already. An unreadable `If-None-Match` is
/// ignored: the whole answer is never wrong.
pub(crate) fn has_page(request: &Request, opaque: &str) -> bool {
    match Tags::of(request, &header::IF_NONE_MATCH) {
        Err(Unreadable) | Ok(None) => false,
        Ok(Some(Tags::Any)) => true,
        Ok(Some(Tags::Listed(tags))) => tags.iter().any(|tag| tag.opaque == opaque.as_bytes()),
    }
}

impl<'a> Tags<'a> {
    /// All lines of a header together, if there are any.
    fn of(request: &'a Request, name: &HeaderName) -> Result<Option<Self>, Unreadable> {
        let lines: Vec<&[u8]> = request
            .headers()
            .get_all(name)
            .iter()
            .map(HeaderValue::as_bytes)
            .collect();
        match lines.as_slice() {
            [] => return Ok(None),
            [line] if line.trim_ascii() == b"*" => return Ok(Some(Self::Any)),
            _ => {}
        }
        let mut tags = Vec::new();
        for line in lines {
            read_tags(line, &mut tags)?;
        }
        if tags.is_empty() {
            Err(Unreadable)
        } else {
            Ok(Some(Self::Listed(tags)))
        }
    }
}

/// Reads tags between commas. A comma inside the quotes is part of the tag, and two in a row mean
/// nothing.
fn read_tags<'a>(mut line: &'a [u8], tags: &mut Vec<Tag<'a>>) -> Result<(), Unreadable> {
    loop {
        line = line.trim_ascii_start();
        if let Some(rest) = line.strip_prefix(b",") {
            line = rest;
            continue;
        }
        if line.is_empty() {
            return Ok(());
        }
        let (weak, quoted) = match line.strip_prefix(b"W/") {
            Some(rest) => (true, rest),
            None => (false, line),
        };
        let inner = quoted.strip_prefix(b"\"").ok_or(Unreadable)?;
        let end = inner
            .iter()
            .position(|&byte| byte == b'"')
            .ok_or(Unreadable)?;
        let (opaque, rest) = (&inner[..end], inner[end + 1..].trim_ascii_start());
        let tag_byte = |&byte: &u8| byte > b' ' && byte != 0x7f;
        if !opaque.iter().all(tag_byte) || !(rest.is_empty() || rest.starts_with(b",")) {
            return Err(Unreadable);
        }
        tags.push(Tag { weak, opaque });
        line = rest;
    }
}

impl Tag<'_> {
    /// The version it names, in the one way we write it.
    fn version(&self) -> Option<u64> {
        let text = std::str::from_utf8(self.opaque).ok()?;
        text.parse()
            .ok()
            .filter(|version: &u64| version.to_string() == text)
    }
}

impl fmt::Display for ETag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

impl ToHeader for ETag {
    fn to_header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.to_string()).ok()
    }
}

#[cfg(test)]
mod tests;
