//! Reads the text of a request body, and explains faults of the text in words for clients.

use serde::Deserialize;
use serde_json::Error;
use serde_json::error::Category;

use crate::http::problem::{MALFORMED_BODY, Problem};

/// The one fault that a string of valid syntax may have. JSON writes a character beyond U+FFFF as
/// two escapes; one of the two alone has no meaning.
pub(super) const HALF_A_PAIR: &str = "has half a surrogate pair: write such a character as two escapes, like \\ud83d\\ude00, or as itself";
/// Some programs write this mark before UTF-8. A reader may ignore it (RFC 8259, 8.1).
const BYTE_ORDER_MARK: &str = "\u{feff}";

/// Reads the JSON object that the bytes hold.
pub(super) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Problem> {
    let text = utf8(body)?;
    let text = text.strip_prefix(BYTE_ORDER_MARK).unwrap_or(text);
    serde_json::from_str(text).map_err(|error| malformed(&error))
}

/// The text of the body. JSON begins with an ASCII character. So a zero among the first two bytes,
/// or a byte order mark of UTF-16, shows that the encoding is UTF-16 or UTF-32.
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
