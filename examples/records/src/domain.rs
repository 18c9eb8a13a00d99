//! Records: what they are, and what they may be. No I/O.

use std::num::IntErrorKind;
use std::str::FromStr;

/// The id of a user, or a key: 1 to [`MAX_NAME_CHARS`] characters without control characters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Name(String);

/// The text is not a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must have 1 to {MAX_NAME_CHARS} characters, and no control characters")]
pub struct InvalidName;

/// What names a record.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct RecordId {
    /// The user to whom the record belongs.
    pub user_id: Name,
    /// The key among the records of the user.
    pub key: Name,
}

/// A whole number, as a client sent it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Number {
    /// A number that fits into 64 bits.
    Within(i64),
    /// A number beyond that range.
    Beyond,
}

/// The text is not a whole number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a whole number")]
pub struct InvalidNumber;

/// A change of a record. A negative number changes the value in the other direction, and zero
/// leaves it as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Creates the record with this value.
    Create(i64),
    /// Adds this number.
    Increment(i64),
    /// Subtracts this number.
    Decrement(i64),
}

/// The outcome of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Written {
    /// The record has this value.
    Value(i64),
    /// Nothing was changed: the record is missing, or the name of a new one is taken.
    Nothing,
    /// The value would be beyond 64 bits. It stays as it is.
    Overflow,
}

/// A value, and where it was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// The value of the record.
    pub value: i64,
    /// Whether it was read in the cache, and not in the database.
    pub is_cached: bool,
}

/// Most characters of the id of a user, and of a key.
pub const MAX_NAME_CHARS: usize = 100;

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text of the name.
    pub fn into_text(self) -> String {
        self.0
    }
}

impl Change {
    /// The outcome for a record with this value, or for a missing one. Postgres carries the rule
    /// out. Here it is stated once more, and a test holds the two together.
    pub fn apply(self, before: Option<i64>) -> Written {
        let after = match (self, before) {
            (Self::Create(value), None) => Some(value),
            (Self::Increment(number), Some(value)) => value.checked_add(number),
            (Self::Decrement(number), Some(value)) => value.checked_sub(number),
            (Self::Create(_), Some(_)) | (_, None) => return Written::Nothing,
        };
        after.map_or(Written::Overflow, Written::Value)
    }
}

impl FromStr for Name {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        // More bytes than any name has are refused before their characters are counted.
        let fits = text.len() <= MAX_NAME_CHARS * char::MAX_LEN_UTF8
            && (1..=MAX_NAME_CHARS).contains(&text.chars().count());
        if !fits || text.chars().any(char::is_control) {
            return Err(InvalidName);
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for Number {
    type Err = InvalidNumber;

    fn from_str(text: &str) -> Result<Self, InvalidNumber> {
        text.parse()
            .map(Self::Within)
            .or_else(|error: std::num::ParseIntError| match error.kind() {
                // The parser reports the overflow before it has seen the rest of the text.
                IntErrorKind::PosOverflow | IntErrorKind::NegOverflow if is_whole(text) => {
                    Ok(Self::Beyond)
                }
                _ => Err(InvalidNumber),
            })
    }
}

fn is_whole(text: &str) -> bool {
    let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
    digits.bytes().all(|byte| byte.is_ascii_digit())
}
