//! Checks the media type, the charset and the content coding of a request body.

use std::borrow::Cow;

use poem::http::header::{CONTENT_ENCODING, CONTENT_TYPE};
use poem::http::{HeaderMap, HeaderName};

use crate::http::problem::{Problem, UNSUPPORTED_MEDIA_TYPE, quoted};

/// The only content coding that the service understands: not encoded.
const IDENTITY: &str = "identity";
/// Charsets whose texts have the same bytes in UTF-8.
const CHARSETS: [&str; 3] = ["utf-8", "utf8", "us-ascii"];

/// Refuses a body that is not of one of the `known` media types, not UTF-8, or compressed.
pub(super) fn check(headers: &HeaderMap, known: &[&str]) -> Result<(), Problem> {
    if headers.contains_key(CONTENT_ENCODING) {
        check_coding(headers)?;
    }
    let content_type = only(headers, &CONTENT_TYPE)?;
    let mut parts = content_type.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default();
    if !known
        .iter()
        .any(|known| essence.eq_ignore_ascii_case(known))
    {
        let known = known.join(" or ");
        let given = quoted(&content_type);
        return Err(unsupported(format!(
            "the Content-Type is {given}, not {known}"
        )));
    }
    let charset = parts.find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        name.trim_end()
            .eq_ignore_ascii_case("charset")
            .then(|| value.trim().trim_matches('"'))
    });
    match charset {
        Some(charset)
            if !CHARSETS
                .iter()
                .any(|known| charset.eq_ignore_ascii_case(known)) =>
        {
            let given = quoted(charset);
            Err(unsupported(format!(
                "the charset of the Content-Type is {given}, not utf-8"
            )))
        }
        _ => Ok(()),
    }
}

/// Refuses a compressed body. The answer names the right coding in `Accept-Encoding`, so that a
/// client can tell a wrong coding from a wrong media type (RFC 9110, 15.5.16).
fn check_coding(headers: &HeaderMap) -> Result<(), Problem> {
    let coding = only(headers, &CONTENT_ENCODING)?;
    if coding.eq_ignore_ascii_case(IDENTITY) || coding.is_empty() {
        return Ok(());
    }
    let detail = format!(
        "the Content-Encoding is {}: send the body as it is",
        quoted(&coding)
    );
    Err(unsupported(detail).accept_encoding(IDENTITY))
}

/// The value of a header. Refuses a second value, because one of the two would be ignored.
fn only<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<Cow<'a, str>, Problem> {
    let mut values = headers.get_all(name).iter();
    let value = values.next().map_or(Cow::Borrowed(""), |value| {
        String::from_utf8_lossy(value.as_bytes())
    });
    if values.next().is_some() {
        return Err(unsupported(format!("{name} must be given once")));
    }
    Ok(value)
}

fn unsupported(detail: String) -> Problem {
    Problem::new(&UNSUPPORTED_MEDIA_TYPE, detail)
}
