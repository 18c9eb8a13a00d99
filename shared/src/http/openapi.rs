//! The OpenAPI document of a service: the schemas of the contract's types, and the pages that serve
//! the documents.

use std::borrow::Cow;
use std::fmt::Display;
use std::future::ready;
use std::sync::{Arc, OnceLock};

use poem::EndpointExt;
use poem::http::HeaderValue;
use poem_openapi::registry::MetaSchema;
use poem_openapi::types::{
    ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToHeader, ToJSON,
};
use poem_openapi::{OpenApi, OpenApiService};
use serde_json::Value;

use crate::contract::id::{OrderId, ProductId};
use crate::contract::money::Money;
use crate::contract::time::{Ceiling, Timestamp};
use crate::http::conditional::ETag;
use crate::http::html;
use crate::http::idempotency::KEY_PATTERN;
use crate::http::public_url::PublicUrl;
use crate::http::routes::Routes;
use crate::store::claim::IdempotencyKey;

mod example;
mod page;

use page::page;

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
schema!(
    Timestamp,
    "timestamp",
    text("date-time", Timestamp::EXAMPLE)
);
schema!(Ceiling, "timestamp", text("date-time", Timestamp::EXAMPLE));
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
    MetaSchema {
        pattern: Some(KEY_PATTERN.to_owned()),
        ..MetaSchema::new("string")
    }
);

json!(OrderId, ProductId, Timestamp, Money);

fn text(format: &'static str, example: impl Display) -> MetaSchema {
    MetaSchema {
        example: Some(Value::from(example.to_string())),
        ..MetaSchema::new_with_format("string", format)
    }
}

macro_rules! parameter {
    ($($type:ty, $unescape:expr;)*) => {$(
        impl ParseFromParameter for $type {
            fn parse_from_parameter(text: &str) -> ParseResult<Self> {
                $unescape(text).parse().map_err(ParseError::custom)
            }
        }
    )*};
}

parameter! {
    OrderId, identity;
    ProductId, identity;
    Timestamp, with_plus;
    Ceiling, with_plus;
}

fn identity(text: &str) -> &str {
    text
}

/// Restores the `+` of a time in a query. A `+` that a client did not escape arrives as a space,
/// and no time has a space before its offset.
fn with_plus(text: &str) -> Cow<'_, str> {
    match text.rsplit_once(' ') {
        Some((time, offset)) if time.contains(':') => format!("{time}+{offset}").into(),
        _ => text.into(),
    }
}

impl ToHeader for OrderId {
    fn to_header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.to_string()).ok()
    }
}

/// The part of an API's description that is true of every operation.
pub const FOR_ALL: &str = "An operation answers 400 to a query parameter that it does not take. The \
    service answers 400 to a change with a condition that it cannot check: `If-Match`, \
    `If-None-Match` or `If-Unmodified-Since`. `X-Request-Id` and `traceparent` come back on every \
    answer, and travel with the work that a request starts. A request id has 1 to 128 visible ASCII characters, without \
    quotes, backticks, backslashes, commas, `<` and `>`; any other is replaced.";

/// Beginning and end of the elements by which the explorer's page loads fonts from another host.
const FONT_LINK: (&str, &str) = ("<link href=\"https://fonts", "rel=\"stylesheet\">");

/// The OpenAPI document of an API.
pub fn document<A: OpenApi>(service: &OpenApiService<A, ()>) -> String {
    example::complete(&service.spec())
}

/// Adds the public URL to the document. Without one, clients take the address of the document
/// itself.
pub fn at<A: OpenApi>(
    service: OpenApiService<A, ()>,
    public_url: Option<&PublicUrl>,
) -> OpenApiService<A, ()> {
    match public_url {
        Some(url) => service.server(url.as_str()),
        None => service,
    }
}

/// Adds the pages about an API: the explorer at `/docs`, and the document at `/openapi.json`.
pub fn pages<A>(
    routes: Routes,
    service: OpenApiService<A, ()>,
    public_url: Option<&PublicUrl>,
) -> Routes
where
    A: OpenApi + Send + Sync + 'static,
{
    let service = Arc::new(service);
    let openapi = service.clone();
    // The page and its policy are written when the first client asks for the page.
    let policy = Arc::new(OnceLock::new());
    let (told, public_url) = (policy.clone(), public_url.cloned());
    let write = move || {
        let page = explorer(&service);
        policy.get_or_init(|| html::explorer(&page, public_url.as_ref()));
        page
    };
    let docs = page("text/html; charset=utf-8", write).map_to_response();
    let docs = docs.after(move |answer| {
        let told = told.get().cloned();
        ready(answer.map(|mut response| {
            if let Some(policy) = told {
                html::protect(response.headers_mut(), policy);
            }
            response
        }))
    });
    let openapi = page("application/json", move || document(&openapi));
    routes.page("/docs", docs).page("/openapi.json", openapi)
}

/// Adds the document about the events of a service, at `/asyncapi.yaml`.
pub fn events(routes: Routes, asyncapi: impl FnOnce() -> String + Send + 'static) -> Routes {
    routes.page("/asyncapi.yaml", page("application/yaml", asyncapi))
}

fn explorer<A: OpenApi>(service: &OpenApiService<A, ()>) -> String {
    let page = service.openapi_explorer_html();
    without_font_links(page.replacen(&service.spec(), &document(service), 1))
}

/// The explorer's page, without the links to fonts: the page must work without access to the
/// internet.
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
    fn a_time_is_read_although_its_plus_was_not_escaped() {
        for text in [
            "2026-11-20T11:00:00+01:00",
            "2026-11-20T11:00:00 01:00",
            "2026-11-20 10:00:00Z",
        ] {
            let time = Timestamp::parse_from_parameter(text).unwrap();
            assert_eq!(time.to_string(), "2026-11-20T10:00:00.000Z", "{text}");
        }
        assert!(Timestamp::parse_from_parameter("2026-11-20T11:00:00 Z").is_err());
    }

    #[test]
    fn the_page_asks_no_other_host() {
        let page = "<head><link href=\"https://fonts.example/css?a\" rel=\"stylesheet\"><b></head>";
        assert_eq!(without_font_links(page.to_owned()), "<head><b></head>");
    }
}
