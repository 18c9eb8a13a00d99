//! The fields of a request body, read one by one.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;

use serde_json::error::Category;
use serde_json::value::RawValue;

use super::FromFields;
use crate::problem::{FieldError, MALFORMED_BODY, Problem};

/// The fields of a JSON object, and what was found wrong with them.
pub struct BodyFields {
    fields: BTreeMap<String, Box<RawValue>>,
    errors: Vec<FieldError>,
}

impl BodyFields {
    /// Reads the text of a JSON object.
    pub fn parse(body: &[u8]) -> Result<Self, Problem> {
        let fields = serde_json::from_slice(body).map_err(|error| malformed(&error))?;
        Ok(Self { fields, errors: Vec::new() })
    }

    /// Takes the fields that `T` knows; all others are mistakes.
    pub fn into<T: FromFields>(mut self) -> Result<T, Problem> {
        let value = T::from_fields(&mut self);
        let unknown: Vec<String> = self.fields.keys().cloned().collect();
        for name in unknown {
            self.invalid(&name, "there is no such field");
        }
        match value {
            Some(value) if self.errors.is_empty() => Ok(value),
            _ => Err(Problem::invalid_fields(self.errors)),
        }
    }

    /// Takes a field that must be a text.
    pub fn text(&mut self, name: &str) -> Option<String> {
        let raw = self.required(name)?;
        serde_json::from_str(raw.get()).map_err(|_| self.invalid(name, "must be a string")).ok()
    }

    /// Takes a text and reads it.
    pub fn parsed<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let text = self.text(name)?;
        text.parse().map_err(|error| self.invalid(name, error)).ok()
    }

    /// Takes a number, given as a JSON number or as a text, and reads it from its digits: nothing
    /// is rounded on the way.
    pub fn number<T: FromStr<Err: Display>>(&mut self, name: &str) -> Option<T> {
        let digits = self.digits(name)?;
        digits.parse().map_err(|error| self.invalid(name, error)).ok()
    }

    /// Takes a whole number between `min` and `max`, both included, given as a JSON number or as a
    /// text.
    pub fn whole(&mut self, name: &str, min: u32, max: u32) -> Option<u32> {
        let digits = self.digits(name)?;
        // What reads back differently has a sign or a needless zero.
        let number = digits.parse().ok().filter(|number: &u32| number.to_string() == digits);
        let number = number.filter(|number| (min..=max).contains(number));
        if number.is_none() {
            self.invalid(name, format!("must be a whole number between {min} and {max}"));
        }
        number
    }

    /// Takes a field that may be left out. `Some(None)` means that it was.
    pub fn optional<T>(
        &mut self,
        name: &str,
        take: impl FnOnce(&mut Self, &str) -> Option<T>,
    ) -> Option<Option<T>> {
        if self.has(name) { take(self, name).map(Some) } else { Some(None) }
    }

    /// Takes a field of a merge patch, which may be left out. `null` would remove what it names, and
    /// nothing here can be removed.
    pub fn patch<T>(
        &mut self,
        name: &str,
        take: impl FnOnce(&mut Self, &str) -> Option<T>,
    ) -> Option<Option<T>> {
        if self.fields.get(name).is_some_and(|value| value.get() == "null") {
            self.refuse(name, "cannot be removed");
            return None;
        }
        self.optional(name, take)
    }

    /// Whether the field is there and was not taken yet.
    pub fn has(&self, name: &str) -> bool {
        self.fields.contains_key(name)
    }

    /// Reports a field that must not be given, if it is.
    pub fn refuse(&mut self, name: &str, detail: impl Display) {
        if self.fields.remove(name).is_some() {
            self.invalid(name, detail);
        }
    }

    /// Lets a field be given under another name instead.
    pub fn alias(&mut self, alias: &str, name: &str) {
        if self.has(name) {
            let detail = format_args!("means the same as {name}: give one of them");
            return self.refuse(alias, detail);
        }
        if let Some(value) = self.fields.remove(alias) {
            self.fields.insert(name.to_owned(), value);
        }
    }

    /// The problem of a body with one invalid field, found only after it was read.
    pub fn one_invalid(name: &str, detail: impl Display) -> Problem {
        let mut fields = Self { fields: BTreeMap::new(), errors: Vec::new() };
        fields.invalid(name, detail);
        Problem::invalid_fields(fields.errors)
    }

    /// Reports a field.
    pub fn invalid(&mut self, name: &str, detail: impl Display) {
        // RFC 6901 escapes.
        let pointer = format!("#/{}", name.replace('~', "~0").replace('/', "~1"));
        self.errors.push(FieldError { pointer, detail: detail.to_string() });
    }

    /// Takes a number as it was written, with or without quotes.
    fn digits(&mut self, name: &str) -> Option<String> {
        let raw = self.required(name)?;
        Some(match raw.get() {
            quoted if quoted.starts_with('"') => serde_json::from_str(quoted).unwrap_or_default(),
            plain => plain.to_owned(),
        })
    }

    fn required(&mut self, name: &str) -> Option<Box<RawValue>> {
        let value = self.fields.remove(name);
        if value.is_none() {
            self.invalid(name, "is missing");
        }
        value
    }
}

/// Says where a body stops being a JSON object, in words of our own.
fn malformed(error: &serde_json::Error) -> Problem {
    let what = match error.classify() {
        Category::Data => "the body is JSON, but not an object".to_owned(),
        Category::Eof => "the body ends too early".to_owned(),
        Category::Syntax | Category::Io => {
            format!("not JSON at line {}, column {}", error.line(), error.column())
        }
    };
    Problem::new(&MALFORMED_BODY, what)
}
