//! The text of a request body, and what may be wrong with it, in words of our own.

use serde::Deserialize;
use serde_json::Error;
use serde_json::error::Category;

use crate::http::problem::{MALFORMED_BODY, Problem};

/// What is wrong with a text of valid syntax: JSON writes characters beyond U+FFFF as two escapes, and
/// neither means anything alone.
pub(super) const HALF_A_PAIR: &str = "has half a surrogate pair: write such a character as two escapes, like \\ud83d\\ude00, or as itself";
/// What some programs write in front of UTF-8. It says nothing, and may be ignored (RFC 8259, 8.1).
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Reads the JSON object that the bytes hold.
pub(super) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Problem> {
    let text = utf8(body)?;
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    serde_json::from_str(text).map_err(|error| malformed(&error))
}

/// The text of the body. JSON begins with an ASCII character, so that a zero beside it, or a byte order
/// mark of UTF-16, gives another encoding away.
fn utf8(body: &[u8]) -> Result<&str, Problem> {
    let wide = matches!(
        body,
        [0, ..] | [_, 0, ..] | [0xff, 0xfe, ..] | [0xfe, 0xff, ..]
    );
    let what = match std::str::from_utf8(body) {
        _ if wide => "the body is UTF-16 or UTF-32: send UTF-8".to_owned(),
        Ok(text) => return Ok(text),
        Err(error) => {
            let place = error.valid_up_to() + 1;
            format!("the body is not UTF-8: byte {place} begins no character")
        }
    };
    Err(Problem::new(&MALFORMED_BODY, what))
}

/// Says where a body stops being a JSON object.
fn malformed(error: &Error) -> Problem {
    let what = match error.classify() {
        Category::Data => "the body is JSON, but not an object".to_owned(),
        Category::Eof => "the body ends too early".to_owned(),
        Category::Syntax | Category::Io => {
            format!(
                "not JSON at line {}, column {}",
                error.line(),
                error.column()
            )
        }
    };
    Problem::new(&MALFORMED_BODY, what)
}
