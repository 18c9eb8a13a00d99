//! Idempotency keys: one order for one intent, however often the request is repeated.
//!
//! After the IETF draft "The Idempotency-Key HTTP Header Field" and the practice of Stripe. A key
//! is kept as long as the order it placed, and does not expire: a clock that jumps must not turn a
//! repeated request into a second order.

use std::str::FromStr;

use shared::digest::digest;

use crate::domain::PlaceOrder;

/// A key, hashed: what clients choose never becomes part of a Redis key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdempotencyKey {
    hash: String,
    seed: u32,
}

/// The text is no idempotency key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must have between 1 and 255 visible ASCII characters")]
pub struct InvalidKey;

/// Most characters of a key.
const MAX_KEY_LENGTH: usize = 255;

impl IdempotencyKey {
    /// The name under which the key is stored.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Decides the partition of the key and of the order it places.
    pub fn seed(&self) -> u32 {
        self.seed
    }

    /// Tells one request from another that uses the same key.
    pub fn fingerprint(&self, wanted: &PlaceOrder) -> String {
        digest(format!("POST /orders {} {}", wanted.product_id, wanted.quantity))
    }
}

impl FromStr for IdempotencyKey {
    type Err = InvalidKey;

    /// Takes the key bare or as a structured string in quotes, as the draft has it.
    fn from_str(text: &str) -> Result<Self, InvalidKey> {
        let quoted = text.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        let key = quoted.unwrap_or(text);
        let length = (1..=MAX_KEY_LENGTH).contains(&key.len());
        if !length || !key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Err(InvalidKey);
        }
        let hash = digest(key);
        let seed = u32::from_str_radix(&hash[..8], 16).unwrap_or_default();
        Ok(Self { hash, seed })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_may_be_quoted_or_bare() {
        let bare: IdempotencyKey = "8e03978e-40d5-43e8-bc93-6894a57f9324".parse().unwrap();
        assert_eq!("\"8e03978e-40d5-43e8-bc93-6894a57f9324\"".parse(), Ok(bare.clone()));
        assert_ne!("another".parse(), Ok(bare));
    }

    #[test]
    fn a_key_is_visible_ascii_of_bounded_length() {
        for text in ["", "\"\"", "a b", "ключ", "a\u{7f}", &"x".repeat(MAX_KEY_LENGTH + 1)] {
            assert_eq!(text.parse::<IdempotencyKey>(), Err(InvalidKey), "{text:?}");
        }
        assert!("x".repeat(MAX_KEY_LENGTH).parse::<IdempotencyKey>().is_ok());
    }
}
