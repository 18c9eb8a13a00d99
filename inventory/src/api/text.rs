//! The schemas of texts that people write, for the OpenAPI document.

use std::fmt::Write;

use poem_openapi::registry::MetaSchema;
use poem_openapi::types::{ParseError, ParseFromParameter, ParseResult};
use shared::http::json::schema;

use crate::domain::{FORBIDDEN, INVISIBLE, MAX_TEXT_CHARS, NamePrefix};

/// The last character that a pattern can name in every dialect.
const LAST_NAMED: char = '\u{ffff}';

shared::schema!(
    NamePrefix,
    "name_prefix",
    MetaSchema {
        max_length: Some(MAX_TEXT_CHARS),
        pattern: Some(format!("^[^{}]*$", class(FORBIDDEN))),
        ..MetaSchema::new("string")
    }
);

impl ParseFromParameter for NamePrefix {
    fn parse_from_parameter(text: &str) -> ParseResult<Self> {
        text.parse().map_err(ParseError::custom)
    }
}

/// The schema of a name or a note: no forbidden character, and at least one visible character.
pub(super) fn text() -> MetaSchema {
    let forbidden = class(FORBIDDEN);
    let invisible = class(INVISIBLE);
    let pattern = format!("^[^{forbidden}]*[^{forbidden}{invisible}][^{forbidden}]*$");
    schema::text(MAX_TEXT_CHARS, &pattern)
}

/// The ranges inside a class of a pattern. Ranges beyond U+FFFF are left out, because the dialects
/// of patterns have no common notation for them.
fn class(ranges: &[(char, char)]) -> String {
    let mut class = String::new();
    for (first, last) in ranges.iter().filter(|(_, last)| *last <= LAST_NAMED) {
        // Writing to a String cannot fail.
        let _ = write!(class, r"\u{:04x}", u32::from(*first));
        if first != last {
            let _ = write!(class, r"-\u{:04x}", u32::from(*last));
        }
    }
    class
}

#[cfg(test)]
mod tests {
    use regex::Regex;

    use super::*;
    use crate::domain::ProductName;

    #[test]
    fn the_pattern_tells_which_texts_are_taken() {
        let names = Regex::new(&text().pattern.unwrap()).unwrap();
        let prefixes = Regex::new(&format!("^[^{}]*$", class(FORBIDDEN))).unwrap();
        for character in '\0'..=LAST_NAMED {
            let alone = character.to_string();
            assert_eq!(
                names.is_match(&alone),
                alone.parse::<ProductName>().is_ok(),
                "{alone:?}"
            );
            for beside in [format!("{character}x"), format!("x{character}")] {
                let taken = beside.parse::<ProductName>().is_ok();
                assert_eq!(names.is_match(&beside), taken, "{beside:?}");
                assert_eq!(
                    prefixes.is_match(&beside),
                    beside.parse::<NamePrefix>().is_ok()
                );
            }
        }
        assert!(names.is_match("🫖") && !names.is_match(""));
    }
}
