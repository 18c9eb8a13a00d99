//! Idempotency keys: a request that a client repeats with the same key has its effect once.
//!
//! The rules follow the IETF draft "The Idempotency-Key HTTP Header Field" and the practice of
//! Stripe. What a store keeps of a key is in [`crate::store::claim`].

use poem::http::HeaderName;

mod in_flight;
mod param;

pub use crate::http::idempotency::in_flight::{InFlight, Turn};
pub use crate::http::idempotency::param::KeyHeader;
use crate::http::problem::{IDEMPOTENCY_KEY_REUSED, Problem};
use crate::store::claim::Once;

/// Name of the header that carries a key.
pub const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// The form of a key, bare or in quotes.
pub const KEY_PATTERN: &str = r#"^("[!-~]{1,255}"|[!#-~][!-~]{0,254})$"#;

impl<T> Once<T> {
    /// The value, and the value of the header `Idempotent-Replayed`: `Some(true)` if an earlier
    /// request had this answer.
    pub fn into_answer(self) -> Result<(T, Option<bool>), Problem> {
        match self {
            Self::Now(value) => Ok((value, None)),
            Self::Before(value) => Ok((value, Some(true))),
            Self::KeyReused => Err(Problem::new(
                &IDEMPOTENCY_KEY_REUSED,
                "this key was used with another path or body",
            )),
        }
    }
}
