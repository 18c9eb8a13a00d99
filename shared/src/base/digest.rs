//! Digests: short names for long texts.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use uuid::Uuid;
use uuid::fmt::Simple;

/// The first 128 bits of the SHA-256, as 32 hex digits. They are too many to collide by chance.
pub fn digest(bytes: impl AsRef<[u8]>) -> String {
    let bits = u128::from_be_bytes(first_bits(bytes));
    hex(bits, &mut [0; Simple::LENGTH]).to_owned()
}

/// Like [`digest()`], for a text that comes in parts.
pub fn digest_of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = Sha256::new();
    parts.into_iter().for_each(|part| hash.update(part));
    let hash: [u8; 32] = hash.finalize().into();
    let bits = u128::from_be_bytes(*hash.first_chunk().unwrap_or(&[0; 16]));
    hex(bits, &mut [0; Simple::LENGTH]).to_owned()
}

/// The same 128 bits in 22 characters: letters, digits, hyphens and underscores. A store keeps many
/// of these, so they are short. The number is the first 32 of the 128 bits.
pub fn short_digest(bytes: impl AsRef<[u8]>) -> (String, u32) {
    let bits = first_bits(bytes);
    let seed = u32::from_be_bytes(*bits.first_chunk().unwrap_or(&[0; 4]));
    (BASE64_URL_SAFE_NO_PAD.encode(bits), seed)
}

/// A number as 32 hex digits, like a UUID without hyphens.
pub(crate) fn hex(bits: u128, buffer: &mut [u8; Simple::LENGTH]) -> &str {
    Uuid::from_u128(bits).simple().encode_lower(buffer)
}

fn first_bits(bytes: impl AsRef<[u8]>) -> [u8; 16] {
    let hash: [u8; 32] = Sha256::digest(bytes).into();
    *hash.first_chunk().unwrap_or(&[0; 16])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_begins_like_the_published_hash() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(digest("abc"), "ba7816bf8f01cfea414140de5dae2223");
        assert_eq!(digest_of([&b"a"[..], b"", b"bc"]), digest("abc"));
        let short = ("ungWv48Bz-pBQUDeXa4iIw".to_owned(), 0xba78_16bf);
        assert_eq!(short_digest("abc"), short);
    }
}
