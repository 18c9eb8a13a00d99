//! The header with the key, as a parameter of an operation.

use std::fmt::Display;

use poem::{Request, RequestBody};
use poem_openapi::registry::{MetaParamIn, MetaSchemaRef, Registry};
use poem_openapi::types::Type;
use poem_openapi::{ApiExtractor, ApiExtractorType, ExtractParamOptions};

use crate::idempotency::{Claim, IDEMPOTENCY_KEY, IdempotencyKey, InvalidKey};
use crate::problem::{INVALID_PARAMETER, Problem};

/// The key of a request, if it has one.
#[derive(Debug)]
pub struct KeyHeader(Option<IdempotencyKey>);

impl KeyHeader {
    /// The claim of the request to `what`, if it has a key.
    pub fn claim(self, what: &dyn Display) -> Option<Claim> {
        self.0.map(|key| Claim::new(key, what))
    }
}

impl<'a> ApiExtractor<'a> for KeyHeader {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];

    type ParamType = Option<IdempotencyKey>;
    type ParamRawType = IdempotencyKey;

    fn register(registry: &mut Registry) {
        IdempotencyKey::register(registry);
    }

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Header)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(<Self::ParamType as Type>::schema_ref())
    }

    fn param_raw_type(&self) -> Option<&IdempotencyKey> {
        self.0.as_ref()
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<Self::ParamType>,
    ) -> poem::Result<Self> {
        Ok(Self(read(request)?))
    }
}

/// The framework would take a value that is no text for no key, and of two keys the first: a
/// repeated request would have a second effect.
fn read(request: &Request) -> Result<Option<IdempotencyKey>, Problem> {
    let invalid = |detail: &dyn Display| {
        Problem::new(&INVALID_PARAMETER, format!("Idempotency-Key: {detail}"))
    };
    let mut keys = request.headers().get_all(IDEMPOTENCY_KEY).iter();
    let Some(key) = keys.next() else {
        return Ok(None);
    };
    if keys.next().is_some() {
        return Err(invalid(&"must be given once"));
    }
    let text = key.to_str().map_err(|_| invalid(&InvalidKey))?;
    text.parse().map(Some).map_err(|error: InvalidKey| invalid(&error))
}
