//! The header `Idempotency-Key`, as a parameter of an operation.

use std::fmt::Display;

use poem::Request;

use crate::contract::trace::RequestId;
use crate::http::idempotency::IDEMPOTENCY_KEY;
use crate::http::parameter::header_parameter;
use crate::http::problem::{INVALID_PARAMETER, Problem};
use crate::store::claim::{Claim, IdempotencyKey, InvalidKey};

/// The key of a request, if it has one.
#[derive(Debug)]
pub struct KeyHeader(Option<IdempotencyKey>);

impl KeyHeader {
    /// The claim of the request, if it has a key. `what` describes the request, so that the key
    /// cannot be used for another one.
    pub fn claim(self, what: &dyn Display) -> Option<Claim> {
        self.0.map(|key| Claim::new(key, what))
    }

    /// An id for what the request makes. It is the same in each repetition of the request `what`
    /// with the same key. Without a key it is new each time.
    pub fn id_for(self, what: &dyn Display) -> String {
        match self.claim(what) {
            Some(claim) => format!("{}-{}", claim.key().hash(), claim.fingerprint()),
            None => RequestId::mint().to_string(),
        }
    }

    fn read(request: &Request) -> Result<Self, Problem> {
        read(request).map(Self)
    }
}

header_parameter!(KeyHeader: IdempotencyKey);

/// Reads the key, strictly. A lenient reader would take an unreadable key for a missing key, or
/// ignore one of two keys. Then a repeated request would have a second effect.
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
    text.parse()
        .map(Some)
        .map_err(|error: InvalidKey| invalid(&error))
}
