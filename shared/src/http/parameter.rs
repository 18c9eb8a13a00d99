//! Parameters of the path, of the query and of headers.
//!
//! They are described and parsed as in the framework, with three differences. A query parameter is
//! refused if it is given twice, because one of the two values would be ignored. The texts of
//! errors are written for clients of the API. The parameters of the path come from
//! [`crate::http::routes`].
//!
//! Before a parameter is read, `declared` has refused all parameters that the operation does not
//! declare.

use std::sync::Arc;

use percent_encoding::percent_decode_str;
use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaParamIn, MetaSchemaRef, Registry};
use poem_openapi::types::{ParseFromParameter, Type};
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};
use serde_json::Value;

use crate::http::problem::{INVALID_PARAMETER, NOT_FOUND, Problem};
use crate::http::scope::RequestScope;

/// A parameter of the path: an id. A text that is not an id is answered like an unknown id.
#[derive(Debug)]
pub struct Path<T>(pub T);

/// A parameter of the query.
#[derive(Debug)]
pub struct Query<T>(pub T);

/// The framework calls the parameters of a path by this name and their number.
const NUMBERED: &str = "param";
/// The texts that the framework writes before, between and after the parts of a message of ours.
const WRAPPING: (&str, &str, &str) = ("failed to parse \"", "\": ", " (occurred while parsing ");

/// Describes a parameter at this place, with a value of type `T`, to the framework.
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

/// Makes a type an optional parameter in a header. Its function `read` reads the header, and the
/// document describes the parameter as the other type.
///
/// The framework's own headers are too lenient: an unreadable value counts as a missing one, and of
/// two values the first counts.
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
            // An id needs no escapes, but some clients write them.
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

/// The problem of a missing parameter. The error of an empty value says what a right value looks
/// like.
fn missing<T: ParseFromParameter>(name: &str) -> Problem {
    match T::parse_from_parameter("") {
        Ok(_) => invalid(name, "must be given"),
        Err(error) => {
            let fault = fault::<T>(error.message());
            invalid(name, &format!("must be given, and {}", plain(&fault)))
        }
    }
}

/// What a value of type `T` must look like. The schema says it for the types of the framework, and
/// the message for types of ours.
fn fault<T: Type>(message: &str) -> String {
    let schema = Registry::new().create_fake_schema::<T>();
    let words: Vec<&str> = schema.enum_items.iter().filter_map(Value::as_str).collect();
    match schema.ty {
        "boolean" => "must be true or false".to_owned(),
        _ if !words.is_empty() => format!("must be {}", words.join(" or ")),
        _ => message.to_owned(),
    }
}

/// A message of ours, without the texts that the framework adds.
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
