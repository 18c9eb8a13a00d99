//! Reads the fields of a request body one by one, and collects what is wrong with them.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::FromFields;
use super::text::{HALF_A_PAIR, object};
use crate::contract::decimal;
use crate::http::problem::{FieldError, Problem, cut};

/// The fields of a JSON object that were not taken yet, and the mistakes found so far.
pub struct BodyFields<'a> {
    fields: Fields<'a>,
    errors: Vec<FieldError>,
    /// Number of mistakes beyond those in `errors`.
    more: usize,
}

/// Most mistakes that an answer lists, so that the answer is not many times larger than the
/// request.
const MAX_ERRORS: usize = 50;
/// Most bytes of the name of a field that an answer repeats. Each known name is shorter.
const MAX_TOLD_BYTES: usize = 100;

/// The members of a JSON object by their names, after the escapes in a name are undone.
struct Fields<'a>(BTreeMap<Cow<'a, str>, Value<'a>>);

/// A value as it was written.
#[derive(Clone, Copy)]
struct Value<'a> {
    raw: &'a RawValue,
    /// Whether the object has this name twice. The client cannot know which of the two values
    /// counts, so both are refused.
    twice: bool,
}

/// The name of a member. Only a name with escapes is copied.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> BodyFields<'a> {
    /// Reads the text of a JSON object.
    pub fn parse(body: &'a [u8]) -> Result<Self, Problem> {
        Ok(Self {
            fields: object(body)?,
            errors: Vec::new(),
            more: 0,
        })
    }

    /// Reads `T` from the fields that it knows. All other fields are mistakes.
    pub fn into<T: FromFields>(mut self) -> Result<T, Problem> {
        let value = T::from_fields(&mut self);
        for name in std::mem::take(&mut self.fields.0).into_keys() {
            self.invalid(&name, "there is no such field");
        }
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(Problem::invalid_fields(self.errors, self.more)),
        }
    }

    /// Takes a field that must be a JSON string.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let written = self.required(name)?.get();
        let fault = if written.starts_with('"') {
            HALF_A_PAIR
        } else {
            "must be a string"
        };
        serde_json::from_str(written)
            .map_err(|_| self.invalid(name, fault))
            .ok()
    }

    /// Takes a JSON string, and parses its text.
    pub fn parsed<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let text = self.text(name)?;
        text.parse().map_err(|error| self.invalid(name, error)).ok()
    }

    /// Takes a number, given as a JSON number or as a string with a number, and parses its digits.
    /// Nothing is rounded on the way.
    pub fn number<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let written = self.written(name)?;
        written
            .parse()
            .map_err(|error| self.invalid(name, error))
            .ok()
    }

    /// Takes a whole number between `min` and `max`, both included, given as a JSON number or as a
    /// string with a number. `5.0` and `5e0` are whole numbers, as `5` is.
    pub fn whole(&mut self, name: &str, min: u32, max: u32) -> Option<u32> {
        let written = self.written(name)?;
        let number = decimal::scaled(&written, 0)
            .ok()
            .and_then(|number| number.try_into().ok());
        let number = number.filter(|number| (min..=max).contains(number));
        if number.is_none() {
            self.invalid(
                name,
                format!("must be a whole number between {min} and {max}"),
            );
        }
        number
    }

    /// Takes a field that must be `true` or `false`.
    pub fn boolean(&mut self, name: &str) -> Option<bool> {
        let value = self.required(name)?.get().parse().ok();
        if value.is_none() {
            self.invalid(name, "must be true or false");
        }
        value
    }

    /// Takes a field that may be left out, or be `null`, which means the same. `Some(None)` stands
    /// for a field that was left out or `null`; `None` stands for an invalid one.
    pub fn optional<T>(
        &mut self,
        name: &str,
        take: impl FnOnce(&mut Self, &str) -> Option<T>,
    ) -> Option<Option<T>> {
        self.forget_null(name);
        if self.has(name) {
            take(self, name).map(Some)
        } else {
            Some(None)
        }
    }

    /// Takes a field of a merge patch, which may be left out. `null` in a merge patch removes the
    /// field; it is refused, because no field can be removed.
    pub fn patch<T>(
        &mut self,
        name: &str,
        take: impl FnOnce(&mut Self, &str) -> Option<T>,
    ) -> Option<Option<T>> {
        if self.is_null(name) {
            self.refuse(name, "cannot be removed");
            return None;
        }
        self.optional(name, take)
    }

    /// Takes a field of a merge patch if it is `null`, which removes the field. For a field that can
    /// be removed, this goes before [`Self::patch`].
    pub fn removed(&mut self, name: &str) -> bool {
        let is_null = self.is_null(name);
        self.forget_null(name);
        is_null
    }

    /// Reports a field that must not be given, if it is.
    pub fn refuse(&mut self, name: &str, detail: impl Display) {
        if self.fields.0.remove(name).is_some() {
            self.invalid(name, detail);
        }
    }

    /// Lets a client give a field under `alias` instead of `name`, and answers which of the two it
    /// gave. The other may be `null`.
    pub fn either<'n>(&mut self, name: &'n str, alias: &'n str) -> &'n str {
        self.forget_null(name);
        self.forget_null(alias);
        if self.has(name) {
            self.refuse(
                alias,
                format_args!("means the same as {name}: give one of them"),
            );
        }
        if self.has(alias) { alias } else { name }
    }

    /// The problem of one invalid field that was found only after the body was read.
    pub fn one_invalid(name: &str, detail: impl Display) -> Problem {
        let mut fields = Self {
            fields: Fields(BTreeMap::new()),
            errors: Vec::new(),
            more: 0,
        };
        fields.invalid(name, detail);
        Problem::invalid_fields(fields.errors, fields.more)
    }

    /// Reports a field as invalid.
    pub fn invalid(&mut self, name: &str, detail: impl Display) {
        if self.errors.len() >= MAX_ERRORS {
            self.more += 1;
            return;
        }
        // The escapes of a JSON pointer (RFC 6901).
        let name = cut(name, MAX_TOLD_BYTES)
            .replace('~', "~0")
            .replace('/', "~1");
        let pointer = format!("#/{name}");
        self.errors.push(FieldError {
            pointer,
            detail: detail.to_string(),
        });
    }

    /// Takes a number as the client wrote it, without its quotes.
    fn written(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let written = self.required(name)?.get();
        Some(
            match written
                .strip_prefix('"')
                .and_then(|rest| rest.strip_suffix('"'))
            {
                Some(plain) if !plain.contains('\\') => plain.into(),
                // A string that cannot be read counts as an empty one, which is not a number.
                Some(_) => serde_json::from_str::<String>(written)
                    .unwrap_or_default()
                    .into(),
                None => written.into(),
            },
        )
    }

    fn required(&mut self, name: &str) -> Option<&'a RawValue> {
        let fault = match self.fields.0.remove(name) {
            Some(Value { raw, twice: false }) => return Some(raw),
            Some(_) => "is given more than once: give it once",
            None => "is missing",
        };
        self.invalid(name, fault);
        None
    }

    fn has(&self, name: &str) -> bool {
        self.fields.0.contains_key(name)
    }

    fn is_null(&self, name: &str) -> bool {
        self.fields
            .0
            .get(name)
            .is_some_and(|value| !value.twice && value.raw.get() == "null")
    }

    fn forget_null(&mut self, name: &str) {
        if self.is_null(name) {
            self.fields.0.remove(name);
        }
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for Fields<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Fields(BTreeMap::new()))
    }
}

impl<'de: 'a, 'a> Visitor<'de> for Fields<'a> {
    type Value = Self;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<M: MapAccess<'de>>(mut self, mut members: M) -> Result<Self, M::Error> {
        while let Some((Name(name), raw)) = members.next_entry()? {
            let value = self.0.entry(name);
            value
                .and_modify(|value| value.twice = true)
                .or_insert(Value { raw, twice: false });
        }
        Ok(self)
    }
}
