//! The content of a store, in a form that can be compared and read.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;
use shared::redis::{Command, Redis};

/// Every key of a store with its content.
pub type Snapshot = BTreeMap<String, Kept>;

/// One entry of a stream: its id and its fields in their order.
pub type Row = (String, Vec<(String, String)>);

/// The content of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// A string.
    Text(String),
    /// A list.
    List(Vec<String>),
    /// A set.
    Set(BTreeSet<String>),
    /// A hash.
    Hash(BTreeMap<String, String>),
    /// A sorted set: the score of each member.
    Sorted(BTreeMap<String, String>),
    /// A stream.
    Stream(Vec<Row>),
}

/// Reads the whole store in one step. The script answers JSON, so that one reply has all keys.
const READ_ALL: &str = r"
local readers = {
  string = function(key) return {redis.call('GET', key)} end,
  list = function(key) return redis.call('LRANGE', key, 0, -1) end,
  set = function(key) return redis.call('SMEMBERS', key) end,
  hash = function(key) return redis.call('HGETALL', key) end,
  zset = function(key) return redis.call('ZRANGE', key, 0, -1, 'WITHSCORES') end,
  stream = function(key) return redis.call('XRANGE', key, '-', '+') end,
}
local found = {}
for _, key in ipairs(redis.call('KEYS', '*')) do
  local kind = redis.call('TYPE', key).ok
  found[#found + 1] = {key, kind, readers[kind](key)}
end
return cjson.encode(found)
";

/// Reads the whole content of a store, as its operator.
///
/// # Panics
///
/// When the store does not answer.
pub async fn read_all(operator: &Redis) -> Snapshot {
    let reply = operator
        .run(Command::new("EVAL").arg(READ_ALL).arg(0))
        .await;
    let text = reply
        .expect("the store answers its operator")
        .bytes()
        .expect("JSON is bytes");
    // Lua encodes an empty table as an object, so a store without keys answers `{}`.
    if text.as_ref() == b"{}" {
        return Snapshot::new();
    }
    let keys: Vec<(String, String, Value)> = serde_json::from_slice(&text).expect("it is JSON");
    keys.into_iter()
        .map(|(key, kind, value)| (key, kept(&kind, &value)))
        .collect()
}

impl Kept {
    /// A hash with these fields.
    pub fn hash<N: Into<String>>(fields: impl IntoIterator<Item = (N, String)>) -> Self {
        Self::Hash(
            fields
                .into_iter()
                .map(|(name, value)| (name.into(), value))
                .collect(),
        )
    }

    /// Whether the content is empty. A key with empty content does not exist.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Text(_) => false,
            Self::List(items) => items.is_empty(),
            Self::Set(members) => members.is_empty(),
            Self::Hash(fields) | Self::Sorted(fields) => fields.is_empty(),
            Self::Stream(rows) => rows.is_empty(),
        }
    }
}

fn kept(kind: &str, value: &Value) -> Kept {
    match kind {
        "string" => Kept::Text(texts(value).remove(0)),
        "list" => Kept::List(texts(value)),
        "set" => Kept::Set(texts(value).into_iter().collect()),
        "hash" => Kept::Hash(pairs(value).into_iter().collect()),
        "zset" => Kept::Sorted(pairs(value).into_iter().collect()),
        "stream" => Kept::Stream(list(value).iter().map(row).collect()),
        other => panic!("a key of type {other}"),
    }
}

fn row(value: &Value) -> Row {
    (text(&value[0]), pairs(&value[1]))
}

fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

fn texts(value: &Value) -> Vec<String> {
    list(value).iter().map(text).collect()
}

fn pairs(value: &Value) -> Vec<(String, String)> {
    let texts = texts(value);
    texts
        .chunks_exact(2)
        .map(|pair| (pair[0].clone(), pair[1].clone()))
        .collect()
}

fn text(value: &Value) -> String {
    value.as_str().expect("Redis keeps texts").to_owned()
}
