//! Short names for long texts.

use sha2::{Digest, Sha256};
use uuid::Uuid;
use uuid::fmt::Simple;

/// The first 128 bits of a SHA-256, which never collide by chance, as 32 hex digits.
pub fn digest(bytes: impl AsRef<[u8]>) -> String {
    let hash: [u8; 32] = Sha256::digest(bytes).into();
    let bits = u128::from_be_bytes(*hash.first_chunk().unwrap_or(&[0; 16]));
    hex(bits, &mut [0; Simple::LENGTH]).to_owned()
}

/// A number as 32 hex digits, which is how a UUID is written without hyphens.
pub(crate) fn hex(bits: u128, buffer: &mut [u8; Simple::LENGTH]) -> &str {
    Uuid::from_u128(bits).simple().encode_lower(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_begins_like_the_published_hash() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(digest("abc"), "ba7816bf8f01cfea414140de5dae2223");
    }
}
