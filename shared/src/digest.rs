//! Short names for long texts.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// Bytes of a SHA-256 that are kept: 128 bits never collide by chance.
const BYTES: usize = 16;
const HEX: &[u8; 16] = b"0123456789abcdef";

/// The first 128 bits of a SHA-256, as 32 hex digits.
pub fn digest(bytes: impl AsRef<[u8]>) -> String {
    let hash = Sha256::digest(bytes);
    let nibbles = hash.iter().take(BYTES).flat_map(|byte| [byte >> 4, byte & 0xf]);
    let mut hex = String::with_capacity(2 * BYTES);
    hex.extend(nibbles.map(|nibble| char::from(HEX[usize::from(nibble)])));
    hex
}

/// The same 128 bits in 22 letters, digits, hyphens and underscores, for what is kept in great
/// numbers; and their first 32 bits.
pub fn short_digest(bytes: impl AsRef<[u8]>) -> (String, u32) {
    let hash = Sha256::digest(bytes);
    let first = hash.iter().take(4).fold(0, |seed: u32, byte| seed << 8 | u32::from(*byte));
    (BASE64_URL_SAFE_NO_PAD.encode(&hash[..BYTES]), first)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_begins_like_the_published_hash() {
        // FIPS 180-2, appendix B.1.
        assert_eq!(digest("abc"), "ba7816bf8f01cfea414140de5dae2223");
        let short = ("ungWv48Bz-pBQUDeXa4iIw".to_owned(), 0xba78_16bf);
        assert_eq!(short_digest("abc"), short);
    }
}
