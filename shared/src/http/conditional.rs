//! Conditional requests (RFC 9110, section 13). An `ETag` carries the version of a resource.
//! `If-Match` lists the versions that a client wants to read or change. `If-None-Match` lists the
//! versions that a reader has already, or that a change must not meet.
//!
//! [`Condition`] says how the store makes a change conditional. `declared` knows which operations
//! take conditions.

use std::fmt;

use poem::Request;
use poem::http::{HeaderName, HeaderValue, header};
use poem_openapi::types::ToHeader;

mod param;

pub use self::param::{IfMatchHeader, IfNoneMatchHeader};
use crate::http::problem::{PRECONDITION_FAILED, PRECONDITION_REQUIRED, Problem};
use crate::store::condition::Condition;

/// The strong entity tag of a version: `"7"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ETag(pub u64);

/// One entity tag of a list.
struct Tag<'a> {
    weak: bool,
    opaque: &'a [u8],
}

/// A header that lists entity tags, or is `*`.
enum Tags<'a> {
    Any,
    Listed(Vec<Tag<'a>>),
}

/// The header is not a list of entity tags.
struct Unreadable;

/// The condition in both headers.
pub fn condition(if_match: IfMatchHeader, if_none_match: IfNoneMatchHeader) -> Condition {
    Condition {
        only: if_match.0,
        not: if_none_match.0,
    }
}

/// The condition in both headers, for a change that must have an `If-Match`.
pub fn required(
    if_match: IfMatchHeader,
    if_none_match: IfNoneMatchHeader,
) -> Result<Condition, Problem> {
    let condition = condition(if_match, if_none_match);
    if condition.only.is_some() {
        return Ok(condition);
    }
    let detail = "send If-Match with the ETag of the version that this change is meant for";
    Err(Problem::new(&PRECONDITION_REQUIRED, detail))
}

/// Whether a client that reads `what` has this version already, so that a 304 is enough. Refuses
/// the client if `If-Match` does not name the version that `what` has.
pub fn is_known(condition: &Condition, version: u64, what: &str) -> Result<bool, Problem> {
    if condition.requires(version) {
        Ok(condition.excludes(version))
    } else {
        Err(failed(what))
    }
}

/// The problem of a condition that the version of `what` does not meet.
pub fn failed(what: &str) -> Problem {
    let detail = format!("{what} has a version that If-Match or If-None-Match does not admit");
    Problem::new(&PRECONDITION_FAILED, detail)
}

/// Whether the client has a page with this opaque tag already. An unreadable `If-None-Match` is
/// ignored: then the client gets the whole page, which is always right.
pub(crate) fn has_page(request: &Request, opaque: &str) -> bool {
    match Tags::of(request, &header::IF_NONE_MATCH) {
        Err(Unreadable) | Ok(None) => false,
        Ok(Some(Tags::Any)) => true,
        Ok(Some(Tags::Listed(tags))) => tags.iter().any(|tag| tag.opaque == opaque.as_bytes()),
    }
}

impl<'a> Tags<'a> {
    /// Reads all lines of a header as one list. `None` without the header.
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

/// Reads tags between commas. A comma inside quotes belongs to the tag. Empty elements are skipped.
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
    /// The version in the tag. `None` if the tag is not written exactly as an [`ETag`] of a
    /// version.
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
        HeaderValue::try_from(self.to_string()).ok()
    }
}

#[cfg(test)]
mod tests;
