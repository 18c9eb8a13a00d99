//! Pages of a list: a bare array, and a `Link` to the next page (RFC 8288).

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{ParseError, ParseFromParameter, ParseResult, ToJSON, Type};
use serde_json::Value;

use crate::problem::{INVALID_CURSOR, Problem};

/// Items on a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit(usize);

/// A page, and the `Link` to the next one.
#[derive(Debug)]
pub struct NextPage<T> {
    /// The items of this page.
    pub items: Vec<T>,
    /// The value of `Link`, while there is more.
    pub link: Option<String>,
}

/// Items on a page when nothing is asked for.
const DEFAULT_LIMIT: usize = 20;
/// Most items on a page.
const MAX_LIMIT: usize = 100;

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

/// Cuts a list that was read with one item too many down to a page.
pub fn cut<T, Id: Display>(
    path: &str,
    limit: Limit,
    mut items: Vec<T>,
    id: impl Fn(&T) -> Id,
) -> NextPage<T> {
    let more = items.len() > limit.get();
    items.truncate(limit.get());
    let last = items.last().filter(|_| more);
    let link = last.map(|last| {
        format!("<{path}?limit={}&cursor={}>; rel=\"next\"", limit.get(), cursor(&id(last)))
    });
    NextPage { items, link }
}

/// Reads a cursor that [`cut`] made.
pub fn parse_cursor<Id: FromStr>(cursor: Option<&str>) -> Result<Option<Id>, Problem> {
    let Some(cursor) = cursor else {
        return Ok(None);
    };
    let id = cursor.strip_prefix(CURSOR_PREFIX).and_then(|id| id.parse().ok());
    id.map(Some).ok_or_else(|| {
        Problem::new(&INVALID_CURSOR, "take it from the Link header of an earlier page")
    })
}

/// Marks our cursors, so that clients do not take an id for one: what stands behind it may change.
const CURSOR_PREFIX: &str = "c1.";

fn cursor(id: &impl Display) -> String {
    format!("{CURSOR_PREFIX}{id}")
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
            maximum: Some(100.0),
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
        let limit = text.parse().ok().filter(|limit| (1..=MAX_LIMIT).contains(limit));
        limit.map(Self).ok_or_else(|| {
            ParseError::custom(format!("must be a whole number between 1 and {MAX_LIMIT}"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_links_to_the_next_only_while_there_is_more() {
        let NextPage { items, link } = cut("/things", Limit(2), vec![5, 4, 3], |id| *id);
        assert_eq!(
            (items, link.unwrap()),
            (vec![5, 4], "</things?limit=2&cursor=c1.4>; rel=\"next\"".to_owned())
        );
        assert_eq!(cut("/things", Limit(3), vec![5, 4, 3], |id| *id).link, None);
        assert_eq!(cut("/things", Limit(2), Vec::<u8>::new(), |id| *id).link, None);
    }

    #[test]
    fn only_our_own_cursors_are_taken() {
        assert_eq!(parse_cursor::<u8>(None).unwrap(), None);
        assert_eq!(parse_cursor::<u8>(Some("c1.4")).unwrap(), Some(4));
        for cursor in ["4", "", "c1.", "c1.x", "c2.4"] {
            assert!(parse_cursor::<u8>(Some(cursor)).is_err(), "{cursor}");
        }
    }
}
