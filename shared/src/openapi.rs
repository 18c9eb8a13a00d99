//! How the contract's own types stand in the OpenAPI documents, and the pages around them.

use std::fmt::Display;

use poem::http::{HeaderValue, header};
use poem::{Endpoint, IntoResponse, Response, Route, endpoint::make_sync};
use poem_openapi::registry::MetaSchema;
use poem_openapi::types::{
    ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToHeader, ToJSON,
};
use poem_openapi::{OpenApi, OpenApiService};
use serde_json::Value;

use crate::conditional::ETag;
use crate::digest::digest;
use crate::id::{OrderId, ProductId};
use crate::idempotency::{IdempotencyKey, KEY_PATTERN};
use crate::money::Money;
use crate::time::Timestamp;

mod example;

/// Describes a type in the OpenAPI document: its name there, and its schema.
#[macro_export]
macro_rules! schema {
    ($type:ty, $name:literal, $schema:expr) => {
        impl ::poem_openapi::types::Type for $type {
            const IS_REQUIRED: bool = true;
            type RawValueType = Self;
            type RawElementValueType = Self;

            fn name() -> ::std::borrow::Cow<'static, str> {
                $name.into()
            }

            fn schema_ref() -> ::poem_openapi::registry::MetaSchemaRef {
                ::poem_openapi::registry::MetaSchemaRef::Inline(Box::new($schema))
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

schema!(OrderId, "order_id", text("uuid", OrderId::EXAMPLE));
schema!(ProductId, "product_id", text("uuid", ProductId::EXAMPLE));
schema!(Timestamp, "timestamp", text("date-time", Timestamp::EXAMPLE));
schema!(
    Money,
    "money",
    MetaSchema {
        minimum: Some(0.0),
        maximum: Some(Money::MAX_NUMBER),
        multiple_of: Some(0.01),
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

schema!(
    IdempotencyKey,
    "idempotency_key",
    MetaSchema { pattern: Some(KEY_PATTERN.to_owned()), ..MetaSchema::new("string") }
);

json!(OrderId, ProductId, Timestamp, Money);

fn text(format: &'static str, example: impl Display) -> MetaSchema {
    MetaSchema {
        example: Some(Value::from(example.to_string())),
        ..MetaSchema::new_with_format("string", format)
    }
}

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

/// The pages about an API, and its OpenAPI document.
///
/// The explorer stands at `/docs`, the documents at `/openapi.json` and `/asyncapi.yaml`.
pub fn pages<A: OpenApi + 'static>(
    service: &OpenApiService<A, ()>,
    asyncapi: String,
) -> (Route, String) {
    let written = service.spec();
    let spec = example::complete(&written);
    let explorer = service.openapi_explorer_html().replacen(&written, &spec, 1);
    let page = |content_type, text| poem::get(document(content_type, text));
    let pages = Route::new()
        .at("/docs", page("text/html; charset=utf-8", without_font_links(explorer)))
        .at("/openapi.json", page("application/json", spec.clone()))
        .at("/asyncapi.yaml", page("application/yaml", asyncapi));
    (pages, spec)
}

/// A document that never changes while the process lives: sent once, then confirmed by its `ETag`.
fn document(content_type: &'static str, body: String) -> impl Endpoint + 'static {
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

/// The explorer's page, without the links to a font host: it must work where there is no internet.
fn without_font_links(mut page: String) -> String {
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
