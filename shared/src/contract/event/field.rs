//! A field of a stream entry, as the AsyncAPI documents describe it.

use std::fmt::Display;

use serde_json::{Value, json};

use crate::contract::trace::REQUEST_ID_PATTERN;

/// One field of one entry: its meaning, its form and its value.
///
/// Both the entry and the document are made from this type, so they cannot drift apart.
#[derive(Clone, Debug)]
pub struct Field {
    /// Its name in the entry.
    pub name: &'static str,
    /// What the field means, in a sentence.
    pub meaning: &'static str,
    /// The form that every value of the field has.
    pub form: Form,
    /// The value in this entry.
    pub value: String,
}

/// The form of the value of a field. In a stream every value is text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Any text.
    Text,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A text that matches this regular expression, and the `format` of JSON Schema for it, if any.
    Pattern(&'static str, Option<&'static str>),
}

impl Form {
    /// A UUID.
    pub const UUID: Self =
        Self::Pattern("^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$", Some("uuid"));
    /// A whole number of at least 1.
    pub const COUNT: Self = Self::Pattern("^[1-9][0-9]{0,9}$", None);
    /// An amount of money with two decimals.
    pub const MONEY: Self = Self::Pattern("^(0|[1-9][0-9]{0,9})\\.[0-9]{2}$", None);
    /// A point in time in UTC, to the millisecond.
    pub const TIME: Self = Self::Pattern(
        "^[0-9]{4}(-[0-9]{2}){2}T([0-9]{2}:){2}[0-9]{2}\\.[0-9]{3}Z$",
        Some("date-time"),
    );
    /// A W3C `traceparent`.
    pub const TRACE: Self = Self::Pattern("^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}$", None);
    /// The id of a request.
    pub const REQUEST_ID: Self = Self::Pattern(REQUEST_ID_PATTERN, None);
}

impl Field {
    /// A field.
    pub fn new(
        name: &'static str,
        meaning: &'static str,
        form: Form,
        value: &impl Display,
    ) -> Self {
        Self {
            name,
            meaning,
            form,
            value: value.to_string(),
        }
    }

    /// Its JSON Schema.
    pub fn schema(&self) -> Value {
        let mut schema = json!({"type": "string", "description": self.meaning});
        match self.form {
            Form::Text => {}
            Form::OneOf([word]) => schema["const"] = json!(word),
            Form::OneOf(words) => schema["enum"] = json!(words),
            Form::Pattern(pattern, format) => {
                schema["pattern"] = json!(pattern);
                if let Some(format) = format {
                    schema["format"] = json!(format);
                }
            }
        }
        schema["examples"] = json!([self.value]);
        schema
    }
}
