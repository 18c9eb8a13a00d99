//! Replies of a Redis server as plain Rust values.

use bytes::Bytes;
use fred::types::Value;

use crate::event::RawFields;

/// A reply. Its accessors fail when the server answered something else than the command promises.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply(Value);

/// The server answered something else than the command promises.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, got {found}")]
pub struct UnexpectedReply {
    expected: &'static str,
    found: String,
}

/// One entry of a stream. `fields` is `None` for an entry that was trimmed while it was pending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its id, `<milliseconds>-<sequence>`.
    pub id: String,
    /// Its fields, byte for byte.
    pub fields: Option<RawFields>,
}

type Read<T> = Result<T, UnexpectedReply>;

impl Reply {
    /// Nothing: no such key, or nothing to read.
    pub fn is_null(&self) -> bool {
        self.0.is_null()
    }

    /// A whole number, also where the server sends it as text.
    pub fn int(&self) -> Read<i64> {
        self.0.as_i64().ok_or_else(|| self.unexpected("an integer"))
    }

    /// A whole number that cannot be negative.
    pub fn unsigned(&self) -> Read<u64> {
        self.0.as_u64().ok_or_else(|| self.unexpected("a number of at least 0"))
    }

    /// A text.
    pub fn text(self) -> Read<String> {
        match self.0.as_string() {
            Some(text) if !self.0.is_null() => Ok(text),
            _ => Err(self.unexpected("a text")),
        }
    }

    /// A string of bytes.
    pub fn bytes(self) -> Read<Bytes> {
        match self.0 {
            Value::String(text) => Ok(text.into_inner()),
            Value::Bytes(bytes) => Ok(bytes),
            other => Err(Self(other).unexpected("a string")),
        }
    }

    /// A list; nothing counts as an empty one.
    pub fn list(self) -> Read<Vec<Self>> {
        match self.0 {
            Value::Array(items) => Ok(items.into_iter().map(Self).collect()),
            Value::Null => Ok(Vec::new()),
            other => Err(Self(other).unexpected("a list")),
        }
    }

    /// A list of `count` items: one for each that was asked about.
    pub fn list_of(self, count: usize) -> Read<Vec<Self>> {
        let items = self.list()?;
        if items.len() == count {
            return Ok(items);
        }
        let found = format!("{} of {count} items", items.len());
        Err(UnexpectedReply { expected: "an item for each question", found })
    }

    /// A list of texts.
    pub fn texts(self) -> Read<Vec<String>> {
        self.list()?.into_iter().map(Self::text).collect()
    }

    /// A map, in no particular order; nothing counts as an empty one.
    pub fn map(self) -> Read<Vec<(String, Self)>> {
        match self.0 {
            Value::Map(map) => map
                .inner()
                .into_iter()
                .map(|(key, value)| {
                    let name = key.as_str().map(str::to_owned);
                    let name = name.ok_or_else(|| Self(Value::Null).unexpected("a key of text"))?;
                    Ok((name, Self(value)))
                })
                .collect(),
            Value::Null => Ok(Vec::new()),
            other => Err(Self(other).unexpected("a map")),
        }
    }

    /// The value under `name` in a map such as `XINFO` answers.
    pub fn field(self, name: &'static str) -> Read<Self> {
        let found = self.map()?.into_iter().find(|(key, _)| key == name);
        found.map(|(_, value)| value).ok_or_else(|| Self(Value::Null).unexpected(name))
    }

    /// The entries of `XRANGE`, or of one stream of `XREADGROUP`.
    pub fn entries(self) -> Read<Vec<Entry>> {
        self.list()?.into_iter().map(Self::entry).collect()
    }

    /// The entries of an `XREADGROUP` of a single stream.
    pub fn read_entries(self) -> Read<Vec<Entry>> {
        match self.map()?.into_iter().next() {
            Some((_, entries)) => entries.entries(),
            None => Ok(Vec::new()),
        }
    }

    fn entry(self) -> Read<Entry> {
        let [id, fields] = self.exactly::<2>("an entry")?;
        let fields = if fields.is_null() { None } else { Some(fields.pairs()?) };
        Ok(Entry { id: id.text()?, fields })
    }

    fn pairs(self) -> Read<RawFields> {
        let mut items = self.list()?.into_iter();
        let mut pairs = Vec::with_capacity(items.len() / 2);
        while let (Some(name), Some(value)) = (items.next(), items.next()) {
            pairs.push((name.bytes()?, value.bytes()?));
        }
        Ok(pairs)
    }

    /// A list of exactly `N` items.
    pub fn exactly<const N: usize>(self, expected: &'static str) -> Read<[Self; N]> {
        self.list()?.try_into().map_err(|items: Vec<Self>| UnexpectedReply {
            expected,
            found: format!("{} items", items.len()),
        })
    }

    fn unexpected(&self, expected: &'static str) -> UnexpectedReply {
        UnexpectedReply { expected, found: format!("{:?}", self.0) }
    }
}

impl From<Value> for Reply {
    fn from(value: Value) -> Self {
        Self(value)
    }
}
