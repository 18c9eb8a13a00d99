//! Replies of a Redis server as plain Rust values.

use std::str::FromStr;

use bytes::Bytes;
use fred::types::Resp3Frame as Frame;

use super::entry::{Entry, detached, detached_whole};
use super::error::RedisError;
use crate::contract::event::RawFields;

/// A reply, as `fred` parsed it. The accessors fail if the server answered something else than the
/// command promises.
#[derive(Debug, Clone, PartialEq)]
pub struct Reply(Frame);

/// The server answered something else than the command promises.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, got {found}")]
pub struct UnexpectedReply {
    expected: &'static str,
    found: String,
}

type Read<T> = Result<T, UnexpectedReply>;

/// The most characters of an unexpected reply that an error repeats.
const SHOWN: usize = 200;

impl Reply {
    /// Whether the reply is null: the key does not exist, or there is nothing to read.
    pub fn is_null(&self) -> bool {
        matches!(self.0, Frame::Null)
    }

    /// A whole number, even if the server sends it as text.
    pub fn int(&self) -> Read<i64> {
        self.number().ok_or_else(|| self.unexpected("an integer"))
    }

    /// A whole number of at least 0.
    pub fn unsigned(&self) -> Read<u64> {
        self.number()
            .ok_or_else(|| self.unexpected("a number of at least 0"))
    }

    /// A list of one number counts as that number: functions may answer so.
    fn number<T: TryFrom<i64> + FromStr>(&self) -> Option<T> {
        match &self.0 {
            Frame::Number { data, .. } => T::try_from(*data).ok(),
            Frame::BlobString { data, .. } | Frame::SimpleString { data, .. } => {
                std::str::from_utf8(data).ok()?.parse().ok()
            }
            Frame::Array { data, .. } => match data.as_slice() {
                [Frame::Number { data, .. }] => T::try_from(*data).ok(),
                _ => None,
            },
            _ => None,
        }
    }

    /// A text.
    pub fn text(self) -> Read<String> {
        match &self.0 {
            Frame::Number { data, .. } => Ok(data.to_string()),
            Frame::BlobString { data, .. } | Frame::SimpleString { data, .. } => {
                let text = std::str::from_utf8(data).map(str::to_owned);
                text.map_err(|_| self.unexpected("a text"))
            }
            _ => Err(self.unexpected("a text")),
        }
    }

    /// A string of bytes.
    pub fn bytes(self) -> Read<Bytes> {
        match self.0 {
            Frame::BlobString { data, .. } | Frame::SimpleString { data, .. } => Ok(data),
            other => Err(Self(other).unexpected("a string")),
        }
    }

    /// A list. Null counts as an empty list.
    pub fn list(self) -> Read<Vec<Self>> {
        self.frames()
            .map(|items| items.into_iter().map(Self).collect())
    }

    fn frames(self) -> Read<Vec<Frame>> {
        match self.0 {
            Frame::Array { data, .. } => Ok(data),
            Frame::Null => Ok(Vec::new()),
            other => Err(Self(other).unexpected("a list")),
        }
    }

    /// A list of `count` items, one for each thing that the command asked about.
    pub fn list_of(self, count: usize) -> Read<Vec<Self>> {
        let items = self.list()?;
        if items.len() == count {
            return Ok(items);
        }
        let found = format!("{} of {count} items", items.len());
        Err(UnexpectedReply {
            expected: "an item for each question",
            found,
        })
    }

    /// A list of texts.
    pub fn texts(self) -> Read<Vec<String>> {
        self.list()?.into_iter().map(Self::text).collect()
    }

    /// A map, in the order of the server. Null counts as an empty map. On the wire a map is a list
    /// of names and values in turn.
    pub fn map(self) -> Read<Vec<(String, Self)>> {
        let mut items = self.frames()?.into_iter();
        let mut pairs = Vec::with_capacity(items.len() / 2);
        while let (Some(name), Some(value)) = (items.next(), items.next()) {
            pairs.push((Self(name).text()?, Self(value)));
        }
        Ok(pairs)
    }

    /// The value under `name` in a map such as `XINFO` answers.
    pub fn field(self, name: &'static str) -> Read<Self> {
        let found = self.map()?.into_iter().find(|(key, _)| key == name);
        found
            .map(|(_, value)| value)
            .ok_or_else(|| Self(Frame::Null).unexpected(name))
    }

    /// The entries in a reply of `XRANGE`, or of one stream in a reply of `XREADGROUP`. Large
    /// entries are cut.
    pub fn entries(self) -> Read<Vec<Entry>> {
        self.raw_entries().map(detached)
    }

    /// Like [`Reply::entries`], but no entry is cut.
    pub(crate) fn whole_entries(self) -> Read<Vec<Entry>> {
        self.raw_entries().map(detached_whole)
    }

    fn raw_entries(self) -> Read<Vec<Entry>> {
        self.frames()?
            .into_iter()
            .map(|frame| Self(frame).entry())
            .collect()
    }

    /// The entries in a reply of `XREAD` or `XREADGROUP` for a single stream. The reply is a list
    /// of one item, which holds the key and the entries.
    pub fn read_entries(self) -> Read<Vec<Entry>> {
        match self.list()?.pop() {
            Some(stream) => {
                let [_key, entries] = stream.exactly::<2>("a stream")?;
                entries.entries()
            }
            None => Ok(Vec::new()),
        }
    }

    fn entry(self) -> Read<Entry> {
        let (mut fields, mut id) = match self.0 {
            Frame::Array { mut data, .. } if data.len() == 2 => (data.pop(), data.pop()),
            other => return Err(Self(other).unexpected("an entry")),
        };
        let take = |frame: &mut Option<Frame>| Self(frame.take().unwrap_or(Frame::Null));
        let (id, fields) = (take(&mut id).text()?, take(&mut fields));
        let fields = if fields.is_null() {
            None
        } else {
            Some(fields.pairs()?)
        };
        Ok(Entry {
            id,
            fields,
            cut: None,
        })
    }

    fn pairs(self) -> Read<RawFields> {
        let mut items = self.frames()?.into_iter();
        let mut pairs = Vec::with_capacity(items.len() / 2);
        while let (Some(name), Some(value)) = (items.next(), items.next()) {
            pairs.push((Self(name).bytes()?, Self(value).bytes()?));
        }
        Ok(pairs)
    }

    /// A list of exactly `N` items.
    pub fn exactly<const N: usize>(self, expected: &'static str) -> Read<[Self; N]> {
        self.list()?
            .try_into()
            .map_err(|items: Vec<Self>| UnexpectedReply {
                expected,
                found: format!("{} items", items.len()),
            })
    }

    fn unexpected(&self, expected: &'static str) -> UnexpectedReply {
        let found = format!("{:?}", self.0);
        UnexpectedReply {
            expected,
            found: found.chars().take(SHOWN).collect(),
        }
    }
}

impl From<UnexpectedReply> for RedisError {
    fn from(error: UnexpectedReply) -> Self {
        Self::malformed("a reply", error)
    }
}

impl TryFrom<Frame> for Reply {
    type Error = RedisError;

    /// An error answer becomes a [`RedisError`].
    fn try_from(frame: Frame) -> Result<Self, RedisError> {
        match frame {
            Frame::SimpleError { data, .. } => Err(RedisError::answered(&data)),
            frame => Ok(Self(frame)),
        }
    }
}

/// The value of a field of `INFO`.
pub(crate) fn info_field<'a>(info: &'a str, name: &str) -> Option<&'a str> {
    info.lines()
        .find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))
        .map(str::trim)
}
