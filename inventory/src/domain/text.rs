//! Texts that people write: names of products, and notes.

use std::fmt;
use std::str::FromStr;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::decompose_canonical;

use super::characters::{FORBIDDEN, INVISIBLE, has};

/// The name of a product: 1 to [`MAX_TEXT_CHARS`] characters, at least one of them visible, without
/// [`FORBIDDEN`] characters. It is kept in the normal form C of Unicode. So `É` is one name,
/// whether it was typed as one character or as a letter and an accent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProductName(String);

/// Why a stock was changed by hand; the same kind of text as a name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note(String);

/// The beginning of a name to look for, without regard to case. It may be empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NamePrefix {
    given: String,
    folded: String,
}

/// Why a text is neither a name nor a note.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidText {
    /// It is longer than [`MAX_TEXT_CHARS`].
    #[error("must have at most 200 characters")]
    TooLong,
    /// It has a character that is [`FORBIDDEN`].
    #[error("must have no control characters, line breaks or bidirectional controls: it has U+{:04X}", u32::from(*.0))]
    Forbidden(char),
    /// It is empty, or all of its characters are [`INVISIBLE`].
    #[error("must have a visible character")]
    Invisible,
}

/// Most characters of a text, as its client wrote it.
pub const MAX_TEXT_CHARS: usize = 200;

impl ProductName {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name from the store. An older build may have accepted what this build refuses.
    pub fn stored(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// The text by which names are sorted and found. It is the same for names that differ only in
    /// case.
    pub fn folded(&self) -> String {
        fold(&self.0)
    }
}

impl Note {
    /// A note from the store. An older build may have accepted what this build refuses.
    pub fn stored(text: &str) -> Self {
        Self(text.to_owned())
    }

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

    /// Whether the name begins with this.
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
    type Err = InvalidText;

    fn from_str(text: &str) -> Result<Self, InvalidText> {
        check(text)?;
        let given = normalised(text);
        // A name begins with no white space, but may go on with it.
        let folded = fold(given.trim_start());
        Ok(Self { given, folded })
    }
}

impl fmt::Display for NamePrefix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.given.fmt(f)
    }
}

/// White space around a text counts towards its length: the schema in the API document cannot trim.
fn trimmed(text: &str) -> Result<String, InvalidText> {
    check(text)?;
    if text.chars().all(|character| has(INVISIBLE, character)) {
        return Err(InvalidText::Invisible);
    }
    Ok(normalised(text.trim()))
}

/// Counts the characters of the text as it was written, which a client can count too. Normalised, a
/// few characters become two or three.
fn check(text: &str) -> Result<(), InvalidText> {
    if text.chars().count() > MAX_TEXT_CHARS {
        return Err(InvalidText::TooLong);
    }
    let forbidden = text.chars().find(|character| has(FORBIDDEN, *character));
    forbidden.map_or(Ok(()), |character| Err(InvalidText::Forbidden(character)))
}

fn normalised(text: &str) -> String {
    if text.is_ascii() {
        text.to_owned()
    } else {
        text.nfc().collect()
    }
}

/// Normalises, folds case and takes letters and accents apart, character by character. So the fold
/// of a prefix is a prefix of the fold. Folds are not composed again, because a fold may begin a
/// new pair: `ß` and an accent would become `s` and `ś`. The way through upper case makes `ß` and
/// `SS` equal, and `σ` and `ς`.
fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(text.len());
    let lower = text.nfc().flat_map(char::to_lowercase);
    for character in lower
        .flat_map(char::to_uppercase)
        .flat_map(char::to_lowercase)
    {
        decompose_canonical(character, |part| folded.push(part));
    }
    folded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_name_is_trimmed_and_never_blank() {
        assert_eq!("  Tea  ".parse::<ProductName>().unwrap().as_str(), "Tea");
        let long = "é".repeat(MAX_TEXT_CHARS);
        assert_eq!(long.parse::<ProductName>().unwrap().as_str(), long);
        for (text, invalid) in [
            ("", InvalidText::Invisible),
            ("a\nb", InvalidText::Forbidden('\n')),
            ("a\n", InvalidText::Forbidden('\n')),
            ("a\0b", InvalidText::Forbidden('\0')),
            ("a\u{202e}b", InvalidText::Forbidden('\u{202e}')),
            ("a\u{2066}b", InvalidText::Forbidden('\u{2066}')),
            ("a\u{200f}b", InvalidText::Forbidden('\u{200f}')),
            ("a\u{2028}b", InvalidText::Forbidden('\u{2028}')),
            ("   ", InvalidText::Invisible),
            ("\u{200b}", InvalidText::Invisible),
            ("\u{feff}\u{ad} \u{2060}\u{fe0f}", InvalidText::Invisible),
            ("\u{3164}\u{2800}\u{e0041}\u{1d173}", InvalidText::Invisible),
            (&"x".repeat(MAX_TEXT_CHARS + 1), InvalidText::TooLong),
        ] {
            assert_eq!(text.parse::<ProductName>(), Err(invalid), "{text:?}");
            assert_eq!(text.parse::<Note>(), Err(invalid), "{text:?}");
        }
        // Joiners, variation selectors and tags, where they belong.
        for text in [
            "👩\u{200d}🍳 apron",
            "می\u{200c}خواهم",
            "❤\u{fe0f}",
            "🏴\u{e0067}\u{e0062}\u{e007f}",
        ] {
            assert_eq!(text.parse::<ProductName>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn a_name_is_the_same_however_its_accents_were_typed() {
        let name = |text: &str| text.parse::<ProductName>().unwrap();
        for (composed, apart) in [
            ("Éclair", "E\u{301}clair"),
            ("Å", "\u{212b}"),
            ("ạ\u{301}", "a\u{301}\u{323}"),
            ("한글", "\u{1112}\u{1161}\u{11ab}\u{1100}\u{1173}\u{11af}"),
        ] {
            assert_eq!(name(composed), name(apart));
            assert_eq!(name(composed).as_str(), composed);
        }
        for (one, other) in [
            ("ΐ", "Ϊ\u{301}"),
            ("ǰ", "J\u{30c}"),
            ("É", "é"),
            ("STRASSE", "straße"),
        ] {
            assert_eq!(name(one).folded(), name(other).folded(), "{one} {other}");
        }
    }

    proptest! {
        #[test]
        fn the_fold_of_a_prefix_is_a_prefix_of_the_fold(text in "[a-zéßÉΐŉǰ한가İﬁ\u{300}-\u{330}\u{1161}]{1,12}|\\PC{1,20}") {
            let Ok(name) = text.parse::<ProductName>() else {
                return Ok(());
            };
            for (end, _) in name.as_str().char_indices() {
                let prefix: NamePrefix = name.as_str()[..end].parse().unwrap();
                prop_assert!(prefix.begins(&name), "{:?} {:?}", prefix, name);
            }
        }

        #[test]
        fn the_same_text_in_another_form_is_the_same_name(text in "\\PC{1,20}") {
            let apart: String = text.nfd().collect();
            if let (Ok(name), Ok(other)) = (text.parse::<ProductName>(), apart.parse::<ProductName>()) {
                prop_assert_eq!(name.folded(), other.folded());
                prop_assert_eq!(&name, &other);
                prop_assert_eq!(ProductName::stored(name.as_str()), name);
            }
        }
    }

    #[test]
    fn a_prefix_is_found_whatever_its_case() {
        let begins = |prefix: &str, name: &str| {
            prefix
                .parse::<NamePrefix>()
                .unwrap()
                .begins(&name.parse().unwrap())
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
            ("Écl", "E\u{301}clair"),
            ("E\u{301}CL", "Éclair"),
            ("하", "한글"),
        ] {
            assert!(begins(prefix, name), "{prefix:?} {name:?}");
        }
        assert!(!begins("tea ", "Teapot") && !begins("ea", "Tea") && !begins("Teas", "Tea"));
        for text in ["a\0", "\n", "\u{202e}", &"x".repeat(MAX_TEXT_CHARS + 1)] {
            assert!(text.parse::<NamePrefix>().is_err(), "{text:?}");
        }
    }
}
