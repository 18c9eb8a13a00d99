//! Pages of a list: each is a bare array, with a `Link` to the next page in a header (RFC 8288).

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use form_urlencoded::Serializer;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromParameter, ParseResult, ToJSON, Type};
use serde_json::Value;

use crate::base::digest::digest;
use crate::http::problem::{INVALID_CURSOR, Problem};

/// A list as a client asked for it: its path, and the parameters that choose and sort its items. A
/// cursor belongs to one such list; in another list, its position would be wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    path: String,
    parameters: Vec<(&'static str, String)>,
}

/// Most items on a page, as the client asked for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(usize);

/// Items on a page if the client does not ask for a number. It is the largest page, so that a
/// client which does not follow `Link` sees as much as possible.
const DEFAULT_LIMIT: usize = MAX_LIMIT;
/// Most items on a page.
pub const MAX_LIMIT: usize = 100;
/// Most bytes of an answer in memory: a page of [`MAX_LIMIT`] items, each with the longest text,
/// and the unused rest of its buffer.
pub const MAX_ANSWER_BYTES: usize = 128 * 1024;

/// Beginning of a cursor: the version of its form. Another form gets another prefix.
const CURSOR_PREFIX: &str = "c1.";
/// Characters of the digest that ties a cursor to its list. The digest finds mistakes; it protects
/// no secret.
const TIE_LENGTH: usize = 8;

impl Listing {
    /// The whole list at `path`.
    pub fn at(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            parameters: Vec::new(),
        }
    }

    /// Adds a parameter that chooses or sorts items, if the client gave it.
    #[must_use]
    pub fn with(mut self, name: &'static str, value: Option<impl Display>) -> Self {
        self.parameters
            .extend(value.map(|value| (name, value.to_string())));
        self
    }

    /// Reads a cursor of the same list. The page begins after the position in the cursor.
    pub fn position<P: FromStr>(&self, cursor: Option<&str>) -> Result<Option<P>, Problem> {
        let Some(cursor) = cursor else {
            return Ok(None);
        };
        let position = || {
            let (tie, encoded) = cursor.strip_prefix(CURSOR_PREFIX)?.split_once('.')?;
            let bytes = BASE64_URL_SAFE_NO_PAD.decode(encoded).ok()?;
            let position = String::from_utf8(bytes)
                .ok()
                .filter(|_| tie == self.tie())?;
            position.parse().ok()
        };
        let detail = "take it from the Link header of an earlier page, with all other parameters";
        position()
            .map(Some)
            .ok_or_else(|| Problem::new(&INVALID_CURSOR, detail))
    }

    /// The value of `Link`, if there are more items after the position `next`.
    pub fn link(&self, limit: Limit, next: Option<impl Display>) -> Option<String> {
        let position = BASE64_URL_SAFE_NO_PAD.encode(next?.to_string());
        let mut query = Serializer::new(String::new());
        query.append_pair("limit", &limit.get().to_string());
        query.extend_pairs(&self.parameters);
        query.append_pair(
            "cursor",
            &format!("{CURSOR_PREFIX}{}.{position}", self.tie()),
        );
        Some(format!("<{}?{}>; rel=\"next\"", self.path, query.finish()))
    }

    fn tie(&self) -> String {
        let mut tie = digest(format!("{self:?}"));
        tie.truncate(TIE_LENGTH);
        tie
    }
}

impl Limit {
    /// The number of items.
    pub fn get(self) -> usize {
        self.0
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(DEFAULT_LIMIT)
    }
}

impl Type for Limit {
    const IS_REQUIRED: bool = false;
    type RawValueType = usize;
    type RawElementValueType = usize;

    fn name() -> Cow<'static, str> {
        "limit".into()
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(MetaSchema {
            minimum: Some(1.0),
            maximum: u32::try_from(MAX_LIMIT).ok().map(f64::from),
            default: Some(Value::from(DEFAULT_LIMIT)),
            ..MetaSchema::new("integer")
        }))
    }

    fn as_raw_value(&self) -> Option<&usize> {
        Some(&self.0)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a usize> + 'a> {
        Box::new(std::iter::once(&self.0))
    }
}

impl ToJSON for Limit {
    fn to_json(&self) -> Option<Value> {
        Some(Value::from(self.0))
    }
}

impl ParseFromParameter for Limit {
    fn parse_from_parameter(text: &str) -> ParseResult<Self> {
        let limit = text
            .parse()
            .ok()
            .filter(|limit| (1..=MAX_LIMIT).contains(limit));
        limit.map(Self).ok_or_else(|| {
            ParseError::custom(format!("must be a whole number between 1 and {MAX_LIMIT}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cursor_of(link: &str) -> &str {
        link.split_once("cursor=")
            .unwrap()
            .1
            .strip_suffix(">; rel=\"next\"")
            .unwrap()
    }

    #[test]
    fn a_link_leads_to_the_same_list_behind_a_position() {
        let whole = Listing::at("/things");
        assert_eq!(whole.link(Limit(2), None::<u8>), None);
        assert_eq!(whole.position::<String>(None).unwrap(), None);
        let teas = whole
            .clone()
            .with("q", Some("tea & é"))
            .with("sort", None::<&str>);
        let link = teas.link(Limit(2), Some("a\0b")).unwrap();
        assert!(
            link.starts_with("</things?limit=2&q=tea+%26+%C3%A9&cursor=c1."),
            "{link}"
        );
        let cursor = cursor_of(&link);
        assert_eq!(
            teas.position(Some(cursor)).unwrap(),
            Some("a\0b".to_owned())
        );
        assert!(teas.position::<u8>(Some(cursor)).is_err());
    }

    #[test]
    fn a_cursor_is_refused_by_every_other_list() {
        let teas = Listing::at("/things").with("q", Some("tea"));
        let link = teas.link(Limit(2), Some(4)).unwrap();
        for other in [
            Listing::at("/things"),
            Listing::at("/others").with("q", Some("tea")),
            Listing::at("/things").with("q", Some("te")),
            Listing::at("/things").with("sort", Some("tea")),
            teas.clone().with("sort", Some("name")),
        ] {
            let refused = other.position::<u8>(Some(cursor_of(&link))).unwrap_err();
            assert_eq!(refused.kind(), &INVALID_CURSOR, "{other:?}");
        }
        for cursor in ["4", "", "c1.", "c1.4", "c1.x.NA", "c2.x.NA"] {
            assert!(teas.position::<u8>(Some(cursor)).is_err(), "{cursor}");
        }
    }
}
