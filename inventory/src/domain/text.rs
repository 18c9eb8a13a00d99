//! Texts that people write: names of products, and notes.

use std::fmt;
use std::str::FromStr;

/// Most characters of a text.
pub const MAX_TEXT_CHARS: usize = 200;

/// The name of a product: 1 to [`MAX_TEXT_CHARS`] characters, no control characters, not blank.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductName(String);

/// Why a stock was changed by hand; the same kind of text as a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note(String);

/// What a name may begin with, without regard to case. It may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePrefix {
    given: String,
    folded: String,
}

/// The text is no name and no note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must have between 1 and 200 characters, not only spaces and no control characters")]
pub struct InvalidText;

/// The text begins no name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must have at most 200 characters and no control characters")]
pub struct InvalidPrefix;

impl ProductName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What names are sorted and found by: equal for names that differ only in case.
    pub fn folded(&self) -> String {
        fold(&self.0)
    }
}

impl Note {
    /// The note.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl NamePrefix {
    /// What the folded names begin with.
    pub fn folded(&self) -> &str {
        &self.folded
    }

    /// Whether the name begins so.
    pub fn begins(&self, name: &ProductName) -> bool {
        name.folded().starts_with(&self.folded)
    }
}

impl FromStr for ProductName {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        trimmed(text).map(Self)
    }
}

impl FromStr for Note {
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        trimmed(text).map(Self)
    }
}

impl FromStr for NamePrefix {
    type Err = InvalidPrefix;

    fn from_str(text: &str) -> Result<Self, InvalidPrefix> {
        // A name begins with no white space, but may go on with it.
        let prefix = || Self { given: text.to_owned(), folded: fold(text.trim_start()) };
        fits(text).then(prefix).ok_or(InvalidPrefix)
    }
}

impl fmt::Display for NamePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.given.fmt(f)
    }
}

/// White space around a text counts towards its length: the schema in the API document cannot trim.
fn trimmed(text: &str) -> Result<String, InvalidText> {
    let inner = text.trim();
    if fits(text) && !inner.is_empty() { Ok(inner.to_owned()) } else { Err(InvalidText) }
}

fn fits(text: &str) -> bool {
    text.chars().count() <= MAX_TEXT_CHARS && !text.chars().any(char::is_control)
}

/// Folds case, character by character, so that the fold of a prefix is a prefix of the fold. Going
/// through upper case makes one of `ß` and `SS`, and of `σ` and `ς`.
fn fold(text: &str) -> String {
    let lower = text.chars().flat_map(char::to_lowercase);
    lower.flat_map(char::to_uppercase).flat_map(char::to_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_trimmed_and_never_blank() {
        assert_eq!("  Tea  ".parse::<ProductName>().unwrap().as_str(), "Tea");
        let long = "é".repeat(MAX_TEXT_CHARS);
        assert_eq!(long.parse::<ProductName>().unwrap().as_str(), long);
        for text in ["", "   ", "a\nb", "a\n", "a\0b", &"x".repeat(MAX_TEXT_CHARS + 1)] {
            assert_eq!(text.parse::<ProductName>(), Err(InvalidText), "{text:?}");
            assert_eq!(text.parse::<Note>(), Err(InvalidText), "{text:?}");
        }
    }

    #[test]
    fn a_prefix_is_found_whatever_its_case() {
        let begins = |prefix: &str, name: &str| {
            prefix.parse::<NamePrefix>().unwrap().begins(&name.parse().unwrap())
        };
        for (prefix, name) in [
            ("", "Tea"),
            ("TEA", "Tea"),
            ("tea ", "Tea time"),
            (" tea", "Tea"),
            ("GRÜ", "Grüner Tee"),
            ("STRASS", "Straße"),
            ("straß", "STRASSE"),
            ("ΟΔΟΣ", "οδοσα"),
            ("οδος", "ΟΔΟΣ ΑΒ"),
        ] {
            assert!(begins(prefix, name), "{prefix:?} {name:?}");
        }
        assert!(!begins("tea ", "Teapot") && !begins("ea", "Tea") && !begins("Teas", "Tea"));
        for text in ["a\0", "\n", &"x".repeat(MAX_TEXT_CHARS + 1)] {
            assert_eq!(text.parse::<NamePrefix>(), Err(InvalidPrefix), "{text:?}");
        }
    }
}
