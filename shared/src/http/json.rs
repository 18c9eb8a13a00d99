//! JSON bodies.
//!
//! A request body is read field by field from its text. So amounts of money are exact, and the
//! answer lists every invalid field, not only the first. Each type of body also writes its schema
//! in the OpenAPI document: [`mod@schema`] describes what [`BodyFields`] reads.

use poem::http::{HeaderValue, header};
use poem::{IntoResponse, Request, RequestBody, Response};
use poem_openapi::payload::Payload;
use poem_openapi::registry::{
    MetaMediaType, MetaRequest, MetaResponse, MetaResponses, MetaSchemaRef, Registry,
};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ApiResponse, ExtractParamOptions};
use serde::Serialize;

mod fields;
mod media;
pub mod schema;
mod text;

pub use fields::BodyFields;
use schema::ObjectSchema;

use crate::http::problem::Problem;

const APPLICATION_JSON: &str = "application/json";
/// Bytes that are enough for most response bodies.
const USUAL_BYTES: usize = 512;
/// Number of headers that is enough for most answers, with the headers that every answer has.
const USUAL_HEADERS: usize = 10;

/// Media types of a merge patch (RFC 7396).
pub const MERGE_PATCH: &[&str] = &["application/merge-patch+json", APPLICATION_JSON];

/// A request body that was read into `T`.
#[derive(Debug)]
pub struct Body<T>(pub T);

/// A request body that a client may leave out.
#[derive(Debug)]
pub struct OptionalBody<T>(pub Option<T>);

/// A type that is read from a request body.
pub trait FromFields: Sized + Send {
    /// Media types that the body may be sent as.
    const MEDIA_TYPES: &'static [&'static str] = &[APPLICATION_JSON];

    /// Describes the body in the OpenAPI document.
    fn schema() -> ObjectSchema;

    /// Takes the fields that this type knows. `None` means that at least one was reported as
    /// invalid.
    fn from_fields(fields: &mut BodyFields<'_>) -> Option<Self>;
}

/// A response body.
#[derive(Debug)]
pub struct Json<T>(pub T);

impl<'a, T: FromFields> ApiExtractor<'a> for Body<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        register::<T>(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(request_meta::<T>(true))
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<Self::ParamType>,
    ) -> poem::Result<Self> {
        let bytes = body.take()?.into_bytes().await?;
        Ok(Self(read(request, &bytes)?))
    }
}

impl<'a, T: FromFields> ApiExtractor<'a> for OptionalBody<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];

    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        register::<T>(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        Some(request_meta::<T>(false))
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<Self::ParamType>,
    ) -> poem::Result<Self> {
        let bytes = body.take()?.into_bytes().await?;
        let given = (!bytes.is_empty()).then(|| read(request, &bytes));
        Ok(Self(given.transpose()?))
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
        let mut body = Vec::with_capacity(USUAL_BYTES);
        // Writing fails only for a map whose keys are not texts, or if `Serialize` itself fails.
        // The services have neither.
        let _ = serde_json::to_writer(&mut body, &self.0);
        let mut response = Response::from(body);
        let headers = response.headers_mut();
        headers.reserve(USUAL_HEADERS);
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static(APPLICATION_JSON),
        );
        response
    }
}

impl<T: Type + Serialize> ApiResponse for Json<T> {
    fn meta() -> MetaResponses {
        MetaResponses {
            responses: vec![MetaResponse {
                description: "The requested data.",
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

fn register<T: FromFields>(registry: &mut Registry) {
    let schema = T::schema();
    registry.create_schema::<T, _>(schema.name().to_owned(), |_| schema.into_meta());
}

fn request_meta<T: FromFields>(required: bool) -> MetaRequest {
    let schema = || MetaSchemaRef::Reference(T::schema().name().to_owned());
    let media_type = |content_type| MetaMediaType {
        content_type,
        schema: schema(),
    };
    MetaRequest {
        description: None,
        content: T::MEDIA_TYPES.iter().copied().map(media_type).collect(),
        required,
    }
}

fn read<T: FromFields>(request: &Request, body: &[u8]) -> Result<T, Problem> {
    media::check(request.headers(), T::MEDIA_TYPES)?;
    BodyFields::parse(body)?.into()
}
