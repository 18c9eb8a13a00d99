//! Reading the fields of a stream entry, and what can be wrong with them.

use std::cell::Cell;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

use crate::contract::event::RawFields;
use crate::contract::trace::{RequestId, TraceParent};

/// Why an entry is no event.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Another event type, or a newer version of this one.
    #[error("unknown event type {0:?}")]
    UnknownType(String),
    /// A field that must be there is not.
    #[error("field {0} is missing")]
    Missing(&'static str),
    /// A field does not read as it must.
    #[error("field {field} is invalid: {detail}")]
    Invalid {
        /// Its name.
        field: &'static str,
        /// What was expected.
        detail: String,
    },
}

/// Looks up the fields of an entry by name.
pub struct Fields<'a> {
    raw: &'a RawFields,
    /// Where the next field is looked for first: a reader that asks in the order in which fields are
    /// emitted finds each field there.
    next: Cell<usize>,
}

impl DecodeError {
    /// The word under which a parked entry is filed.
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

    pub(super) fn text(&self, name: &'static str) -> Result<&str, DecodeError> {
        let bytes = self.find(name).ok_or(DecodeError::Missing(name))?;
        std::str::from_utf8(bytes).map_err(|error| invalid(name, &error))
    }

    pub(super) fn parse<T: FromStr<Err: fmt::Display>>(
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

    /// A broken trace must not keep an order from its stock, so a missing or malformed one starts
    /// anew.
    pub(super) fn traceparent(&self) -> TraceParent {
        self.text("traceparent")
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or_else(TraceParent::mint)
    }

    /// The same holds for the id of the request.
    pub(super) fn request_id(&self) -> RequestId {
        let text = self.text("request_id").ok();
        text.and_then(|text| text.parse().ok())
            .unwrap_or_else(RequestId::mint)
    }
}

fn invalid(field: &'static str, detail: &dyn fmt::Display) -> DecodeError {
    DecodeError::Invalid {
        field,
        detail: detail.to_string(),
    }
}
