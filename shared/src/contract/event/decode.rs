//! Reads the fields of a stream entry.

use std::cell::Cell;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use crate::contract::event::RawFields;
use crate::contract::trace::{RequestContext, RequestId, TraceParent};

/// Why an entry cannot be read as the expected event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Another event type, or a newer version of this one.
    #[error("unknown event type {0:?}")]
    UnknownType(String),
    /// The entry lacks a required field.
    #[error("field {0} is missing")]
    Missing(&'static str),
    /// The value of a field does not have the required form.
    #[error("field {field} is invalid: {detail}")]
    Invalid {
        /// The name of the field.
        field: &'static str,
        /// What was expected.
        detail: String,
    },
}

/// Looks up the fields of an entry by name.
pub struct Fields<'a> {
    raw: &'a RawFields,
    /// The index at which the next search begins. A reader that asks for the fields in the order of
    /// the entry finds each field at this index.
    next: Cell<usize>,
}

impl DecodeError {
    /// The word that the dead letter of the entry carries as its reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::UnknownType(_) => "unknown_type",
            Self::Missing(_) | Self::Invalid { .. } => "undecodable",
        }
    }
}

impl<'a> Fields<'a> {
    pub(super) fn of(raw: &'a RawFields) -> Self {
        Self {
            raw,
            next: Cell::new(0),
        }
    }

    fn find(&self, name: &'static str) -> Option<&Bytes> {
        let is_it = |index: &usize| self.raw[*index].0 == name.as_bytes();
        let (from, end) = (self.next.get(), self.raw.len());
        let index = (from..end).find(is_it).or_else(|| (0..from).find(is_it))?;
        self.next.set(index + 1);
        self.raw.get(index).map(|(_, value)| value)
    }

    /// The text of a field.
    pub fn text(&self, name: &'static str) -> Result<&str, DecodeError> {
        let bytes = self.find(name).ok_or(DecodeError::Missing(name))?;
        std::str::from_utf8(bytes).map_err(|error| invalid(name, &error))
    }

    /// The value that the text of a field states.
    pub fn parse<T: FromStr<Err: fmt::Display>>(
        &self,
        name: &'static str,
    ) -> Result<T, DecodeError> {
        self.text(name)?
            .parse()
            .map_err(|error| invalid(name, &error))
    }

    pub(super) fn quantity(&self) -> Result<u32, DecodeError> {
        match self.parse("quantity")? {
            0 => Err(invalid("quantity", &"expected at least 1")),
            quantity => Ok(quantity),
        }
    }

    /// The trace of the request. A missing or malformed trace is replaced by a new one, because a
    /// broken trace must not keep an order from its stock.
    pub fn traceparent(&self) -> TraceParent {
        self.text("traceparent")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(TraceParent::mint)
    }

    /// The id of the request. Like a trace, a missing or malformed id is replaced by a new one.
    pub fn request_id(&self) -> RequestId {
        let text = self.text("request_id").ok();
        text.and_then(|text| text.parse().ok())
            .unwrap_or_else(RequestId::mint)
    }

    /// The request behind the event, and its trace.
    pub fn context(&self) -> RequestContext {
        RequestContext {
            request_id: self.request_id(),
            traceparent: self.traceparent(),
        }
    }
}

fn invalid(field: &'static str, detail: &dyn fmt::Display) -> DecodeError {
    DecodeError::Invalid {
        field,
        detail: detail.to_string(),
    }
}
