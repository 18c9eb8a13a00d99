//! JSON bodies.
//!
//! A request body is read field by field from its text, so that money is exact and every invalid
//! field is reported, not only the first. The schema in the OpenAPI document comes from a plain
//! `Object` beside it.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use poem::http::header;
use poem::{IntoResponse, Request, RequestBody, Response};
use poem_openapi::payload::{ParsePayload, Payload};
use poem_openapi::registry::{
    MetaMediaType, MetaRequest, MetaResponse, MetaResponses, MetaSchemaRef, Registry,
};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions};
use serde::Serialize;
use serde_json::value::RawValue;

use crate::problem::{FieldError, MALFORMED_BODY, Problem, UNSUPPORTED_MEDIA_TYPE};

const APPLICATION_JSON: &str = "application/json";

/// A request body that was read into `T`.
#[derive(Debug)]
pub struct Body<T>(pub T);

/// What a request body reads into.
pub trait FromFields: Sized + Send {
    /// Describes it in the OpenAPI document.
    type Schema: Type;

    /// Takes the fields it knows. `None` means that at least one was reported as invalid.
    fn from_fields(fields: &mut BodyFields) -> Option<Self>;
}

/// The fields of a JSON object, and what was found wrong with them.
pub struct BodyFields {
    fields: BTreeMap<String, Box<RawValue>>,
    errors: Vec<FieldError>,
}

/// A response body.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl BodyFields {
    /// Reads the text of a JSON object.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        let fields = serde_json::from_slice(body)
            .map_err(|error| Problem::new(&MALFORMED_BODY, error.to_string()))?;
        Ok(Self { fields, errors: Vec::new() })
    }

    /// Takes the fields that `T` knows; all others are mistakes.
    pub fn into<T: FromFields>(mut self) -> Result<T, Problem> {
        let value = T::from_fields(&mut self);
        let unknown: Vec<String> = self.fields.keys().cloned().collect();
        for name in unknown {
            self.invalid(&name, "there is no such field");
        }
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(Problem::invalid_fields(self.errors)),
        }
    }

    /// Takes a field that must be a text.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let raw = self.required(name)?;
        serde_json::from_str(raw.get()).map_err(|_| self.invalid(name, "must be a string")).ok()
    }

    /// Takes a text and reads it.
    pub fn parsed<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let text = self.text(name)?;
        text.parse().map_err(|error| self.invalid(name, error)).ok()
    }

    /// Takes a number, given as a JSON number or as a text, and reads it from its digits: nothing
    /// is rounded on the way.
    pub fn number<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let raw = self.required(name)?;
        let digits = match raw.get() {
            quoted if quoted.starts_with('"') => serde_json::from_str(quoted).unwrap_or_default(),
            plain => plain.to_owned(),
        };
        digits.parse().map_err(|error| self.invalid(name, error)).ok()
    }

    /// Takes a whole JSON number between `min` and `max`, both included.
    pub fn whole(&mut self, name: &str, min: u32, max: u32) -> Option<u32> {
        let raw = self.required(name)?;
        let number = raw.get().parse().ok().filter(|number| (min..=max).contains(number));
        if number.is_none() {
            self.invalid(name, format!("must be a whole number between {min} and {max}"));
        }
        number
    }

    /// Lets a field be given under another name as well.
    pub fn alias(&mut self, alias: &str, name: &str) {
        if self.fields.contains_key(name) {
            return;
        }
        if let Some(value) = self.fields.remove(alias) {
            self.fields.insert(name.to_owned(), value);
        }
    }

    /// The problem of a body with one invalid field, found only after it was read.
    pub fn one_invalid(name: &str, detail: impl Display) -> Problem {
        let mut fields = Self { fields: BTreeMap::new(), errors: Vec::new() };
        fields.invalid(name, detail);
        Problem::invalid_fields(fields.errors)
    }

    /// Reports a field.
    pub fn invalid(&mut self, name: &str, detail: impl Display) {
        // RFC 6901 escapes.
        let pointer = format!("#/{}", name.replace('~', "~0").replace('/', "~1"));
        self.errors.push(FieldError { pointer, detail: detail.to_string() });
    }

    fn required(&mut self, name: &str) -> Option<Box<RawValue>> {
        let value = self.fields.remove(name);
        if value.is_none() {
            self.invalid(name, "is missing");
        }
        value
    }
}

impl<T: FromFields> Payload for Body<T> {
    const CONTENT_TYPE: &'static str = APPLICATION_JSON;

    fn schema_ref() -> MetaSchemaRef {
        T::Schema::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::Schema::register(registry);
    }
}

impl<T: FromFields> ParsePayload for Body<T> {
    const IS_REQUIRED: bool = true;

    async fn from_request(request: &Request, body: &mut RequestBody) -> poem::Result<Self> {
        let content_type = request.content_type().unwrap_or_default();
        let essence = content_type.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case(APPLICATION_JSON) {
            let detail = format!("the Content-Type is {content_type:?}, not {APPLICATION_JSON}");
            return Err(Problem::new(&UNSUPPORTED_MEDIA_TYPE, detail).into());
        }
        let bytes = body.take()?.into_bytes().await?;
        Ok(Self(BodyFields::parse(&bytes)?.into()?))
    }
}

impl<'a, T: FromFields> ApiExtractor<'a> for Body<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        <Self as Payload>::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(MetaRequest {
            description: None,
            content: vec![MetaMediaType {
                content_type: APPLICATION_JSON,
                schema: Self::schema_ref(),
            }],
            required: true,
        })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<Self::ParamType>,
    ) -> poem::Result<Self> {
        <Self as ParsePayload>::from_request(request, body).await
    }
}

impl<T: Type> Payload for Json<T> {
    const CONTENT_TYPE: &'static str = APPLICATION_JSON;

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref()
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

impl<T: Serialize + Send> IntoResponse for Json<T> {
    fn into_response(self) -> Response {
        // Only a map with keys that are no texts, or a failing `Serialize`, can fail: neither
        // exists here.
        let body = serde_json::to_vec(&self.0).unwrap_or_default();
        Response::builder().header(header::CONTENT_TYPE, APPLICATION_JSON).body(body)
    }
}

impl<T: Type + Serialize> ApiResponse for Json<T> {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "What was asked for.",
                status: Some(200),
                status_range: None,
                content: vec![MetaMediaType {
                    content_type: APPLICATION_JSON,
                    schema: Self::schema_ref(),
                }],
                headers: Vec::new(),
            }],
        }
    }

    fn register(registry: &mut Registry) {
        <Self as Payload>::register(registry);
    }
}
