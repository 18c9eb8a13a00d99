//! Cuts the texts of a request that its answer repeats. The client sees enough to recognise its
//! text, and the answer is not many times larger than the request.

use std::borrow::Cow;

/// Most characters of a client's text that an answer repeats.
pub(crate) const MAX_TOLD: usize = 40;

/// A client's text for use in a sentence. An empty, long or unusual text is quoted, and cut.
pub(crate) fn told(text: &str) -> Cow<'_, str> {
    let is_plain = |letter: char| letter.is_alphanumeric() || "._-[]$".contains(letter);
    if !text.is_empty() && text.len() <= MAX_TOLD && text.chars().all(is_plain) {
        return text.into();
    }
    quoted(text).into()
}

/// A client's text for use in a sentence, always in quotes, and cut.
pub(crate) fn quoted(text: &str) -> String {
    let beginning: String = text.chars().take(MAX_TOLD).collect();
    let rest = if beginning.len() < text.len() {
        "..."
    } else {
        ""
    };
    format!("{beginning:?}{rest}")
}

/// A client's text that stands alone: its first `max` bytes, and three dots if the text is longer.
pub(crate) fn cut(text: &str, max: usize) -> Cow<'_, str> {
    if text.len() <= max {
        return text.into();
    }
    format!("{}...", &text[..text.floor_char_boundary(max)]).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_is_cut_between_two_characters() {
        for (text, expected) in [
            ("", ""),
            ("four", "four"),
            ("fives", "five..."),
            ("abcé", "abc..."),
        ] {
            assert_eq!(cut(text, 4), expected);
        }
        assert_eq!(
            quoted(&"é".repeat(41)),
            format!("\"{}\"...", "é".repeat(40))
        );
        assert_eq!(quoted("a\n"), "\"a\\n\"");
    }
}
