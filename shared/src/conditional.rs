//! Conditional requests (RFC 9110, section 13): a version stands in an `ETag`, and a client names
//! the versions it knows.

use std::fmt;

use poem::Request;
use poem::http::{HeaderName, HeaderValue, header};
use poem_openapi::types::ToHeader;

use crate::problem::{INVALID_PARAMETER, PRECONDITION_REQUIRED, Problem};

/// The strong entity tag of a version: `"7"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ETag(pub u64);

/// Which versions a change may be made to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// Whichever there is.
    Any,
    /// One of these. Tags that are weak, or not of our making, match nothing and are left out.
    Versions(Vec<u64>),
}

/// One tag of a list.
struct Tag<'a> {
    weak: bool,
    opaque: &'a [u8],
}

/// A header that lists tags.
enum Condition<'a> {
    Any,
    Tags(Vec<Tag<'a>>),
}

/// The header is no list of tags.
struct Unreadable;

/// A version that nothing has: versions count from 1.
const NO_VERSION: &str = "0";

impl IfMatch {
    /// The condition of a request, if it has one.
    pub fn of(request: &Request) -> Result<Option<Self>, Problem> {
        let unreadable = |Unreadable| {
            let detail = "If-Match: expected * or entity tags in quotes, such as \"7\"";
            Problem::new(&INVALID_PARAMETER, detail)
        };
        Ok(match Condition::of(request, &header::IF_MATCH).map_err(unreadable)? {
            None => None,
            Some(Condition::Any) => Some(Self::Any),
            Some(Condition::Tags(tags)) => {
                let strong = tags.iter().filter(|tag| !tag.weak);
                Some(Self::Versions(strong.filter_map(Tag::version).collect()))
            }
        })
    }

    /// The condition of a request that must have one.
    pub fn required(request: &Request) -> Result<Self, Problem> {
        let detail = "send If-Match with the ETag of the version that this change is meant for";
        Self::of(request)?.ok_or_else(|| Problem::new(&PRECONDITION_REQUIRED, detail))
    }

    /// Whether a change may be made to this version.
    pub fn admits(&self, version: u64) -> bool {
        match self {
            Self::Any => true,
            Self::Versions(versions) => versions.contains(&version),
        }
    }

    /// How a function takes it: nothing, `*`, or versions between commas.
    pub fn to_arg(condition: &Option<Self>) -> String {
        match condition {
            None => String::new(),
            Some(Self::Any) => "*".to_owned(),
            Some(Self::Versions(versions)) if versions.is_empty() => NO_VERSION.to_owned(),
            Some(Self::Versions(versions)) => {
                versions.iter().map(u64::to_string).collect::<Vec<_>>().join(",")
            }
        }
    }
}

/// Whether the client has this version already, so that a 304 tells it everything. An unreadable
/// `If-None-Match` is ignored: the whole answer is never wrong.
pub fn not_modified(request: &Request, etag: ETag) -> bool {
    match Condition::of(request, &header::IF_NONE_MATCH) {
        Err(Unreadable) | Ok(None) => false,
        Ok(Some(Condition::Any)) => true,
        Ok(Some(Condition::Tags(tags))) => tags.iter().any(|tag| tag.version() == Some(etag.0)),
    }
}

impl<'a> Condition<'a> {
    /// All lines of a header together, if there are any.
    fn of(request: &'a Request, name: &HeaderName) -> Result<Option<Self>, Unreadable> {
        let lines: Vec<&[u8]> =
            request.headers().get_all(name).iter().map(HeaderValue::as_bytes).collect();
        match lines.as_slice() {
            [] => return Ok(None),
            [line] if line.trim_ascii() == b"*" => return Ok(Some(Self::Any)),
            _ => {}
        }
        let mut tags = Vec::new();
        for line in lines {
            read_tags(line, &mut tags)?;
        }
        if tags.is_empty() { Err(Unreadable) } else { Ok(Some(Self::Tags(tags))) }
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
        let end = inner.iter().position(|&byte| byte == b'"').ok_or(Unreadable)?;
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
        text.parse().ok().filter(|version: &u64| version.to_string() == text)
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
mod tests {
    use super::*;

    fn request(name: &HeaderName, lines: &[&str]) -> Request {
        let request = lines.iter().fold(Request::builder(), |request, line| {
            let value = HeaderValue::from_bytes(line.as_bytes()).unwrap();
            request.header(name.clone(), value)
        });
        request.finish()
    }

    fn if_match(lines: &[&str]) -> Result<Option<IfMatch>, Problem> {
        IfMatch::of(&request(&header::IF_MATCH, lines))
    }

    fn arg(lines: &[&str]) -> String {
        IfMatch::to_arg(&if_match(lines).unwrap())
    }

    #[test]
    fn a_condition_lists_versions_in_one_header_or_several() {
        for (lines, expected) in [
            (vec![], ""),
            (vec!["*"], "*"),
            (vec![" * "], "*"),
            (vec!["\"7\""], "7"),
            (vec!["\"7\",\"8\" ,, \"9\","], "7,8,9"),
            (vec!["\"7\"", "\"8\""], "7,8"),
            (vec!["\"a,b\", \"7\""], "7"),
            (vec!["\"18446744073709551615\""], "18446744073709551615"),
        ] {
            assert_eq!(arg(&lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn a_weak_or_foreign_tag_matches_nothing() {
        for line in
            ["W/\"7\"", "\"\"", "\"x\"", "\"07\"", "\"+7\"", "\"é\"", "\"18446744073709551616\""]
        {
            let condition = if_match(&[line]).unwrap();
            assert_eq!(IfMatch::to_arg(&condition), "0", "{line}");
            assert!(!condition.unwrap().admits(7), "{line}");
        }
        assert!(IfMatch::Any.admits(7) && IfMatch::Versions(vec![3, 7]).admits(7));
    }

    #[test]
    fn what_is_no_list_of_tags_is_refused() {
        for line in ["", " ", ",", "7", "\"7", "7\"", "w/\"7\"", "\"7\" \"8\"", "\"7\"8", "\"a b\""]
        {
            let problem = if_match(&[line]).unwrap_err();
            assert_eq!(problem.kind().slug, "invalid-parameter", "{line}");
        }
        for lines in [["*", "*"], ["*", "\"7\""], ["\"7\"", "*"]] {
            assert!(if_match(&lines).is_err(), "{lines:?}");
        }
        assert!(if_match(&["*, \"7\""]).is_err());
        let missing = IfMatch::required(&request(&header::IF_MATCH, &[])).unwrap_err();
        assert_eq!(missing.kind().slug, "precondition-required");
    }

    #[test]
    fn a_client_that_has_the_version_is_told_so() {
        for (lines, known) in [
            (vec![], false),
            (vec!["*"], true),
            (vec!["\"7\""], true),
            (vec!["W/\"7\""], true),
            (vec!["\"6\", \"7\""], true),
            (vec!["\"6\"", "\"7\""], true),
            (vec!["\"6\""], false),
            (vec!["7"], false),
            (vec!["\"7\" nonsense"], false),
        ] {
            let request = request(&header::IF_NONE_MATCH, &lines);
            assert_eq!(not_modified(&request, ETag(7)), known, "{lines:?}");
        }
    }
}
