//! The texts of a todo.

use std::str::FromStr;

/// What there is to do: 1 to [`MAX_TITLE_CHARS`] characters, at least one of them visible, without
/// control characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Title(String);

/// The details: up to [`MAX_DESCRIPTION_CHARS`] characters, without control characters except tabs
/// and line breaks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Description(String);

/// Why a text is neither a title nor a description.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    /// It has more characters than allowed.
    #[error("must have at most {0} characters")]
    TooLong(usize),
    /// It has a control character.
    #[error("must have no control characters: it has U+{:04X}", u32::from(*.0))]
    Control(char),
    /// It is empty, or has only white space.
    #[error("must have a visible character")]
    Blank,
}

/// Most characters of a title.
pub const MAX_TITLE_CHARS: usize = 100;
/// Most characters of a description.
pub const MAX_DESCRIPTION_CHARS: usize = 255;
/// Control characters that a description may have.
const LINES: [char; 3] = ['\t', '\n', '\r'];

/// A title as a regular expression: no control character, and one that is not white space.
pub const TITLE_PATTERN: &str = r"^[^\u0000-\u001f\u007f-\u009f]*[^\u0000-\u0020\u007f-\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000][^\u0000-\u001f\u007f-\u009f]*$";

impl Title {
    /// The title.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A title from the database. An older build may have accepted what this build refuses.
    pub fn stored(text: String) -> Self {
        Self(text)
    }
}

impl Description {
    /// The description.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A description from the database. An older build may have accepted what this build refuses.
    pub fn stored(text: String) -> Self {
        Self(text)
    }
}

impl FromStr for Title {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        check(text, MAX_TITLE_CHARS, &[])?;
        if text.trim().is_empty() {
            return Err(InvalidText::Blank);
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for Description {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        check(text, MAX_DESCRIPTION_CHARS, &LINES)?;
        Ok(Self(text.to_owned()))
    }
}

fn check(text: &str, most: usize, allowed: &[char]) -> Result<(), InvalidText> {
    if text.chars().count() > most {
        return Err(InvalidText::TooLong(most));
    }
    let refused = |found: &char| found.is_control() && !allowed.contains(found);
    text.chars()
        .find(refused)
        .map_or(Ok(()), |found| Err(InvalidText::Control(found)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_has_1_to_100_characters_and_one_of_them_is_visible() {
        for text in ["x", "Milk & honey", " ü ", &"ß".repeat(MAX_TITLE_CHARS)] {
            assert_eq!(text.parse::<Title>().unwrap().as_str(), text);
        }
        let long = "x".repeat(MAX_TITLE_CHARS + 1);
        assert_eq!(long.parse::<Title>(), Err(InvalidText::TooLong(100)));
        for text in ["", " ", "\u{3000}\u{a0}"] {
            assert_eq!(text.parse::<Title>(), Err(InvalidText::Blank), "{text:?}");
        }
        for control in ['\0', '\n', '\u{7f}', '\u{85}'] {
            let text = format!("x{control}");
            assert_eq!(text.parse::<Title>(), Err(InvalidText::Control(control)));
        }
    }

    #[test]
    fn a_description_has_up_to_255_characters_and_may_have_lines() {
        for text in ["", "one\r\n\ttwo", &"🫖".repeat(MAX_DESCRIPTION_CHARS)] {
            assert_eq!(text.parse::<Description>().unwrap().as_str(), text);
        }
        let long = "x".repeat(MAX_DESCRIPTION_CHARS + 1);
        assert_eq!(long.parse::<Description>(), Err(InvalidText::TooLong(255)));
        assert_eq!("\0".parse::<Description>(), Err(InvalidText::Control('\0')));
    }
}
