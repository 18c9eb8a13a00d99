//! How the contract's own types stand in the OpenAPI documents, and the pages around them.

use std::borrow::Cow;

use poem::http::{HeaderValue, header};
use poem::{Endpoint, IntoResponse, Response, endpoint::make_sync};
use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use poem_openapi::types::{
    ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToHeader, ToJSON, Type,
};
use serde_json::Value;

use crate::conditional::ETag;
use crate::digest::digest;
use crate::id::{OrderId, ProductId};
use crate::money::Money;
use crate::time::Timestamp;

macro_rules! schema {
    ($type:ty, $name:literal, $schema:expr) => {
        impl Type for $type {
            const IS_REQUIRED: bool = true;
            type RawValueType = Self;
            type RawElementValueType = Self;

            fn name() -> Cow<'static, str> {
                $name.into()
            }

            fn schema_ref() -> MetaSchemaRef {
                MetaSchemaRef::Inline(Box::new($schema))
            }

            fn as_raw_value(&self) -> Option<&Self> {
                Some(self)
            }

            fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
                Box::new(std::iter::once(self))
            }
        }
    };
}

macro_rules! json {
    ($($type:ty),*) => {$(
        impl ParseFromJSON for $type {
            fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
                let text = value.unwrap_or_default().to_string();
                text.trim_matches('"').parse().map_err(ParseError::custom)
            }
        }

        impl ToJSON for $type {
            fn to_json(&self) -> Option<Value> {
                serde_json::to_value(self).ok()
            }
        }
    )*};
}

schema!(OrderId, "order_id", MetaSchema::new_with_format("string", "uuid"));
schema!(ProductId, "product_id", MetaSchema::new_with_format("string", "uuid"));
schema!(Timestamp, "timestamp", MetaSchema::new_with_format("string", "date-time"));
schema!(
    Money,
    "money",
    MetaSchema {
        minimum: Some(0.0),
        maximum: Some(Money::MAX_NUMBER),
        example: Some(Value::from(19.9)),
        ..MetaSchema::new("number")
    }
);

schema!(
    ETag,
    "etag",
    MetaSchema {
        pattern: Some("^\"[1-9][0-9]*\"$".to_owned()),
        example: Some(Value::from("\"7\"")),
        ..MetaSchema::new("string")
    }
);

json!(OrderId, ProductId, Timestamp, Money);

macro_rules! parameter {
    ($($type:ty),*) => {$(
        impl ParseFromParameter for $type {
            fn parse_from_parameter(text: &str) -> ParseResult<Self> {
                text.parse().map_err(ParseError::custom)
            }
        }
    )*};
}

parameter!(OrderId, ProductId, Timestamp);

impl ToHeader for OrderId {
    fn to_header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.to_string()).ok()
    }
}

/// Where the explorer's page asks a font host for its fonts; ours asks nobody.
const FONT_LINK: (&str, &str) = ("<link href=\"https://fonts", "rel=\"stylesheet\">");

/// A document that never changes while the process lives: sent once, then confirmed by its `ETag`.
pub fn document(content_type: &'static str, body: String) -> impl Endpoint + 'static {
    let etag = HeaderValue::from_str(&format!("\"{}\"", digest(&body)));
    let etag = etag.unwrap_or_else(|_| HeaderValue::from_static("\"0\""));
    let body = bytes::Bytes::from(body);
    make_sync(move |request| {
        let builder = Response::builder()
            .header(header::ETAG, etag.clone())
            .header(header::CACHE_CONTROL, "no-cache");
        if request.headers().get(header::IF_NONE_MATCH) == Some(&etag) {
            return builder.status(poem::http::StatusCode::NOT_MODIFIED).finish();
        }
        builder.content_type(content_type).body(body.clone()).into_response()
    })
}

/// The OpenAPI document, in which every request body is closed: a field that its schema does not
/// name is a mistake. The framework has no way to say so.
pub fn with_closed_bodies(spec: &str) -> String {
    let mut spec: Value = serde_json::from_str(spec).unwrap_or_default();
    let paths = spec["paths"].as_object().into_iter().flat_map(serde_json::Map::values);
    let operations = paths.filter_map(Value::as_object).flat_map(serde_json::Map::values);
    let contents =
        operations.filter_map(|operation| operation["requestBody"]["content"].as_object());
    let schemas =
        contents.flat_map(serde_json::Map::values).map(|content| &content["schema"]["$ref"]);
    let pointers: Vec<String> =
        schemas.filter_map(|name| Some(name.as_str()?.strip_prefix('#')?.to_owned())).collect();
    for pointer in pointers {
        if let Some(Value::Object(schema)) = spec.pointer_mut(&pointer) {
            schema.insert("additionalProperties".to_owned(), Value::Bool(false));
        }
    }
    format!("{spec:#}")
}

/// The explorer's page, without the links to a font host: it must work where there is no internet.
pub fn without_font_links(mut page: String) -> String {
    let (begin, end) = FONT_LINK;
    while let Some(start) = page.find(begin) {
        let Some(length) = page[start..].find(end) else {
            break;
        };
        page.replace_range(start..start + length + end.len(), "");
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_asks_no_other_host() {
        let page = "<head><link href=\"https://fonts.example/css?a\" rel=\"stylesheet\"><b></head>";
        assert_eq!(without_font_links(page.to_owned()), "<head><b></head>");
    }
}
