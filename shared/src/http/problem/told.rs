//! What an answer repeats of its request: enough to recognise it, and not more. An answer must not be
//! many times larger than its question.

use std::borrow::Cow;

/// Characters of a text that a client sent which it is told again.
pub(crate) const MAX_TOLD: usize = 40;

/// A text of a client in a sentence: something to see, and not too much.
pub(crate) fn told(text: &str) -> Cow<'_, str> {
    let is_plain = |letter: char| letter.is_alphanumeric() || "._-[]$".contains(letter);
    if !text.is_empty() && text.len() <= MAX_TOLD && text.chars().all(is_plain) {
        return text.into();
    }
    quoted(text).into()
}

/// The same, always between quotes.
pub(crate) fn quoted(text: &str) -> String {
    let beginning: String = text.chars().take(MAX_TOLD).collect();
    let rest = if beginning.len() < text.len() {
        "..."
    } else {
        ""
    };
    format!("{beginning:?}{rest}")
}

/// A text of a client where it stands alone: its first `max` bytes, and dots where there are more.
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
