//! A hash of the store, or an entry of a stream, read field by field.

use std::borrow::Cow;
use std::fmt::Display;
use std::str::FromStr;

use bytes::Bytes;

use crate::redis::{Arg, Command, RedisError, Reply};
use crate::time::Timestamp;

/// The fields of one hash, or of one entry of a stream. They are few, so that a list is the fastest.
#[derive(Debug)]
pub struct Record(Vec<(Cow<'static, str>, String)>);

impl Record {
    /// Asks for these fields of a hash. The first one must be a number (see [`crate::redis`]).
    pub fn ask(key: String, fields: &'static [&'static str]) -> Command {
        let names = fields.iter().copied().map(Arg::from_static_str);
        Command::new("HMGET").key(key).args(names)
    }

    /// Reads the reply; `None` where there is no such hash.
    pub fn read(fields: &'static [&'static str], reply: Reply) -> Result<Option<Self>, RedisError> {
        let mut found = Vec::with_capacity(fields.len());
        for (name, value) in fields.iter().zip(reply.list_of(fields.len())?) {
            if !value.is_null() {
                found.push((Cow::Borrowed(*name), value.text()?));
            }
        }
        Ok(Some(Self(found)).filter(|record| !record.0.is_empty()))
    }

    /// Reads the fields of a stream entry.
    pub fn of_entry(fields: &[(Bytes, Bytes)]) -> Self {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Self(
            fields
                .iter()
                .map(|(name, value)| (text(name).into(), text(value)))
                .collect(),
        )
    }

    /// Whether there is such a field.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    fn find(&self, name: &str) -> Option<&str> {
        self.0
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }

    /// A field that must be there.
    pub fn parse<T: FromStr<Err: Display>>(&self, name: &'static str) -> Result<T, RedisError> {
        self.optional(name)?
            .ok_or_else(|| broken(name, &"it is missing"))
    }

    /// A field that may be missing.
    pub fn optional<T: FromStr<Err: Display>>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, RedisError> {
        let text = self.find(name);
        text.map(|text| text.parse().map_err(|error| broken(name, &error)))
            .transpose()
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
