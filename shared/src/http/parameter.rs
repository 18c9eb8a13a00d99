//! Parameters of the path and of the query, as the framework describes and parses them, with these
//! differences: one of the query is given at most once, because of two values one would be ignored;
//! what is wrong with one is said for those who call the API; and those of the path come from our
//! own [`crate::http::routes`]. Whatever is not declared, `declared` has refused before.

use std::sync::Arc;

use percent_encoding::percent_decode_str;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaParamIn, MetaSchemaRef, Registry};
use poem_openapi::types::{ParseFromParameter, Type};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde_json::Value;

use crate::http::problem::{INVALID_PARAMETER, NOT_FOUND, Problem};
use crate::http::scope::RequestScope;

/// A parameter of the path: an id. Nothing exists under a text that is not an id.
#[derive(Debug)]
pub struct Path<T>(pub T);

/// A parameter of the query.
#[derive(Debug)]
pub struct Query<T>(pub T);

/// What the framework calls the parameters of a path, with their number behind it.
const NUMBERED: &str = "param";
/// What the framework writes around a message of ours.
const WRAPPING: (&str, &str, &str) = ("failed to parse \"", "\": ", " (occurred while parsing ");

/// What the framework is told of a parameter of this place, whose value is a `T`.
macro_rules! described {
    ($place:ident) => {
        const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];
        const PARAM_IS_REQUIRED: bool = T::IS_REQUIRED;

        type ParamType = T;
        type ParamRawType = T::RawValueType;

        fn register(registry: &mut Registry) {
            T::register(registry);
        }

        fn param_in() -> Option<MetaParamIn> {
            Some(MetaParamIn::$place)
        }

        fn param_schema_ref() -> Option<MetaSchemaRef> {
            Some(T::schema_ref())
        }

        fn param_raw_type(&self) -> Option<&T::RawValueType> {
            self.0.as_raw_value()
        }
    };
}

/// Makes a type a parameter that stands in a header, and may be missing: `read` reads it, and the
/// document describes it as that other type. What the framework has for headers takes a value that
/// is no text for none, and of two values the first.
macro_rules! header_parameter {
    ($($header:ty: $described:ty),*) => {$(
        impl<'a> ::poem_openapi::ApiExtractor<'a> for $header {
            const TYPES: &'static [::poem_openapi::ApiExtractorType] =
                &[::poem_openapi::ApiExtractorType::Parameter];

            type ParamType = Option<$described>;
            type ParamRawType = ();

            fn register(registry: &mut ::poem_openapi::registry::Registry) {
                <$described as ::poem_openapi::types::Type>::register(registry);
            }

            fn param_in() -> Option<::poem_openapi::registry::MetaParamIn> {
                Some(::poem_openapi::registry::MetaParamIn::Header)
            }

            fn param_schema_ref() -> Option<::poem_openapi::registry::MetaSchemaRef> {
                Some(<Self::ParamType as ::poem_openapi::types::Type>::schema_ref())
            }

            fn param_raw_type(&self) -> Option<&()> {
                None
            }

            async fn from_request(
                request: &'a ::poem::Request,
                _body: &mut ::poem::RequestBody,
                _options: ::poem_openapi::ExtractParamOptions<Self::ParamType>,
            ) -> ::poem::Result<Self> {
                Ok(Self::read(request)?)
            }
        }
    )*};
}

pub(crate) use header_parameter;

impl<'a, T: ParseFromParameter> ApiExtractor<'a> for Path<T> {
    described!(Path);

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        options: ExtractParamOptions<T>,
    ) -> poem::Result<Self> {
        let text = || {
            let number = options.name.strip_prefix(NUMBERED)?.parse().ok()?;
            let text = request
                .data::<Arc<RequestScope>>()?
                .parameter(request.uri().path(), number)?;
            // Ids need no escapes, which some write all the same.
            let escaped = text.contains('%');
            if escaped {
                percent_decode_str(text).decode_utf8().ok()
            } else {
                Some(text.into())
            }
        };
        let value = text().and_then(|text| T::parse_from_parameter(&text).ok());
        let no_such_id = || Problem::new(&NOT_FOUND, "there is no such id").into();
        value.map(Self).ok_or_else(no_such_id)
    }
}

impl<'a, T: ParseFromParameter> ApiExtractor<'a> for Query<T> {
    described!(Query);

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        options: ExtractParamOptions<T>,
    ) -> poem::Result<Self> {
        let query = request.uri().query().unwrap_or_default();
        let mut values = form_urlencoded::parse(query.as_bytes())
            .filter_map(|(name, value)| (name == options.name).then_some(value));
        let value = values.next();
        if values.next().is_some() {
            return Err(invalid(options.name, "must be given once").into());
        }
        let parsed = match (value, options.default_value) {
            (None, Some(default)) => return Ok(Self(default())),
            (None, None) if T::IS_REQUIRED => return Err(missing::<T>(options.name).into()),
            (value, _) => T::parse_from_parameters(value),
        };
        parsed
            .map(Self)
            .map_err(|error| invalid(options.name, &fault::<T>(error.message())).into())
    }
}

/// The problem of a parameter that the framework could not read.
pub(crate) fn invalid(name: &str, reason: &str) -> Problem {
    Problem::new(&INVALID_PARAMETER, format!("{name}: {}", plain(reason)))
}

/// The problem of a parameter that must be there and is not. What is wrong with an empty value tells
/// what a right one looks like.
fn missing<T: ParseFromParameter>(name: &str) -> Problem {
    match T::parse_from_parameter("") {
        Ok(_) => invalid(name, "must be given"),
        Err(error) => {
            let fault = fault::<T>(error.message());
            invalid(name, &format!("must be given, and {}", plain(&fault)))
        }
    }
}

/// What is wrong with a value that is no `T`. For the types of the framework, their schema knows.
fn fault<T: Type>(message: &str) -> String {
    let schema = Registry::new().create_fake_schema::<T>();
    let words: Vec<&str> = schema.enum_items.iter().filter_map(Value::as_str).collect();
    match schema.ty {
        "boolean" => "must be true or false".to_owned(),
        _ if !words.is_empty() => format!("must be {}", words.join(" or ")),
        _ => message.to_owned(),
    }
}

/// A message of ours, without what the framework writes around it.
fn plain(reason: &str) -> &str {
    let (begin, middle, end) = WRAPPING;
    let inner = reason
        .strip_prefix(begin)
        .and_then(|rest| rest.split_once(middle));
    let message = inner.map_or(reason, |(_, message)| message);
    message
        .split_once(end)
        .map_or(message, |(message, _)| message)
}

#[cfg(test)]
mod tests {
    use poem_openapi::types::ParseError;

    use super::*;
    use crate::contract::id::OrderId;
    use crate::http::page::Limit;

    #[test]
    fn a_message_of_ours_is_told_without_wrapping() {
        let error = ParseError::<Limit>::custom("must be \"7\": no less");
        assert_eq!(plain(error.message()), "must be \"7\": no less");
        let error = ParseError::<OrderId>::custom("must be an id").propagate::<Option<OrderId>>();
        assert_eq!(plain(error.message()), "must be an id");
        assert_eq!(plain("must be given once"), "must be given once");
    }
}
