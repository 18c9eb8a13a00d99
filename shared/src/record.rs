//! A hash of the store, or an entry of a stream, read field by field.

use std::collections::HashMap;
use std::fmt::Display;
use std::str::FromStr;

use bytes::Bytes;

use crate::redis::{RedisError, Reply};
use crate::time::Timestamp;

/// The fields of one hash, or of one entry of a stream.
#[derive(Debug)]
pub struct Record(HashMap<String, String>);

impl Record {
    /// Reads the reply of `HGETALL`; `None` where there is no such hash.
    pub fn read(reply: Reply) -> Result<Option<Self>, RedisError> {
        let fields = reply.map()?;
        if fields.is_empty() {
            return Ok(None);
        }
        let fields = fields.into_iter().map(|(name, value)| Ok((name, value.text()?)));
        fields.collect::<Result<_, RedisError>>().map(|fields| Some(Self(fields)))
    }

    /// Reads the fields of a stream entry.
    pub fn of_entry(fields: &[(Bytes, Bytes)]) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self(fields.iter().map(|(name, value)| (text(name), text(value))).collect())
    }

    /// Whether there is such a field.
    pub fn has(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// A field that must be there.
    pub fn parse<T: FromStr<Err: Display>>(&self, name: &'static str) -> Result<T, RedisError> {
        self.optional(name)?.ok_or_else(|| broken(name, &"it is missing"))
    }

    /// A field that may be missing.
    pub fn optional<T: FromStr<Err: Display>>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, RedisError> {
        let text = self.0.get(name);
        text.map(|text| text.parse().map_err(|error| broken(name, &error))).transpose()
    }

    /// A point in time in milliseconds, which must be there.
    pub fn time(&self, name: &'static str) -> Result<Timestamp, RedisError> {
        self.parse(name).map(Timestamp::from_millis)
    }

    /// A point in time in milliseconds, if it has come.
    pub fn optional_time(&self, name: &'static str) -> Result<Option<Timestamp>, RedisError> {
        Ok(self.optional(name)?.map(Timestamp::from_millis))
    }
}

fn broken(name: &str, error: &dyn Display) -> RedisError {
    RedisError::Refused(format!("field {name} of a record is broken: {error}"))
}
