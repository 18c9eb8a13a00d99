//! A client that queries a store as its operator.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use redis::{Cmd, Connection, FromRedisValue, Value, cmd};
use shared::contract::event::{Event, OrderCompleted};
use stack::credentials::User;
use stack::redis::RedisServer;

/// The number of entries that are added in one round trip.
const ADD_BATCH: usize = 1_000;
/// The number of keys that are read in one round trip.
const SCAN_COUNT: &str = "1000";

/// A connection that may do everything, and a count of the commands that were sent over it.
pub(crate) struct Operator {
    url: String,
    connection: Connection,
    asked: BTreeMap<String, u64>,
}

/// The position of a group in its stream.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct GroupLag {
    /// The newest entry of the stream.
    pub(crate) newest: String,
    /// The newest entry that was delivered to a consumer.
    pub(crate) delivered: String,
    /// The number of entries that were delivered and are not acknowledged.
    pub(crate) pending: u64,
}

/// The number of calls of each command, by its name in small letters.
pub(crate) type Calls = BTreeMap<String, u64>;

impl GroupLag {
    /// Whether every entry is delivered and acknowledged.
    pub(crate) fn is_settled(&self) -> bool {
        self.pending == 0 && self.newest == self.delivered
    }
}

impl Operator {
    /// Connects to the store.
    pub(crate) fn connect(server: &RedisServer) -> Result<Self> {
        let url = server.url(User::Operator);
        let connection = redis::Client::open(url.as_str())?.get_connection()?;
        Ok(Self {
            url,
            connection,
            asked: BTreeMap::new(),
        })
    }

    /// The address, with the password.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Another connection to the same store.
    pub(crate) fn another(&self) -> Result<Connection> {
        Ok(redis::Client::open(self.url.as_str())?.get_connection()?)
    }

    /// Sends a command and returns its answer.
    pub(crate) fn ask<T: FromRedisValue>(&mut self, words: &[&str]) -> Result<T> {
        let name = words.first().context("nothing is asked")?;
        *self.asked.entry(name.to_ascii_lowercase()).or_default() += 1;
        let mut command = Cmd::new();
        command.arg(words);
        command
            .query(&mut self.connection)
            .with_context(|| words.join(" "))
    }

    /// Changes a setting of the server.
    pub(crate) fn configure(&mut self, name: &str, value: &str) -> Result<()> {
        self.ask(&["CONFIG", "SET", name, value])
    }

    /// A section of `INFO`.
    pub(crate) fn info(&mut self, part: &str) -> Result<BTreeMap<String, String>> {
        let text: String = self.ask(&["INFO", part])?;
        let lines = text.lines().filter_map(|line| line.trim().split_once(':'));
        Ok(lines
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect())
    }

    /// The server program and its memory allocator: with the allocator of the C library a server
    /// takes far more time than with jemalloc.
    pub(crate) fn program(&mut self) -> Result<String> {
        let (server, memory) = (self.info("server")?, self.info("memory")?);
        let version =
            |name: &str, field: &str| server.get(field).map(|version| format!("{name} {version}"));
        let program = version("Valkey", "valkey_version")
            .or_else(|| version("Redis", "redis_version"))
            .unwrap_or_default();
        let allocator = memory
            .get("mem_allocator")
            .map_or("unknown", String::as_str);
        Ok(format!("{program}, {allocator}"))
    }

    /// A number from `INFO`; 0 if the server does not have it.
    pub(crate) fn number(&mut self, part: &str, name: &str) -> Result<u64> {
        let info = self.info(part)?;
        Ok(info
            .get(name)
            .and_then(|value| value.parse().ok())
            .unwrap_or_default())
    }

    /// Begins to count calls.
    pub(crate) fn reset_calls(&mut self) -> Result<()> {
        self.ask::<()>(&["CONFIG", "RESETSTAT"])?;
        self.asked.clear();
        Ok(())
    }

    /// The calls since `reset_calls`, without those of this connection. A command of two words is
    /// counted under the first word.
    pub(crate) fn calls(&mut self) -> Result<Calls> {
        let asked = self.asked.clone();
        let mut calls = Calls::new();
        for (name, line) in self.info("commandstats")? {
            let Some(name) = name.strip_prefix("cmdstat_") else {
                continue;
            };
            let name = name.split('|').next().unwrap_or(name).to_owned();
            *calls.entry(name).or_default() += calls_in(&line).unwrap_or_default();
        }
        for (name, count) in asked {
            if let Some(calls) = calls.get_mut(&name) {
                *calls = calls.saturating_sub(count);
            }
        }
        Ok(calls)
    }

    /// The position of the group of an event; `None` while the group does not exist.
    pub(crate) fn lag<E: Event>(&mut self) -> Result<Option<GroupLag>> {
        self.lag_at::<E>(E::STREAM)
    }

    /// The same for the stream of one partition.
    pub(crate) fn lag_at<E: Event>(&mut self, stream: &str) -> Result<Option<GroupLag>> {
        let key = stream;
        let stream: BTreeMap<String, Value> = self.ask(&["XINFO", "STREAM", key])?;
        let groups: Vec<BTreeMap<String, Value>> = self.ask(&["XINFO", "GROUPS", key])?;
        let named = groups
            .into_iter()
            .find(|group| field(group, "name") == Some(E::GROUP.into()));
        Ok(named.map(|group| GroupLag {
            newest: field(&stream, "last-generated-id").unwrap_or_default(),
            delivered: field(&group, "last-delivered-id").unwrap_or_default(),
            pending: field(&group, "pending")
                .and_then(|it| it.parse().ok())
                .unwrap_or_default(),
        }))
    }

    /// Adds events as payments does when it pays orders.
    pub(crate) fn emit(&mut self, events: impl Iterator<Item = OrderCompleted>) -> Result<()> {
        let mut events = events.peekable();
        while events.peek().is_some() {
            let mut pipe = redis::pipe();
            for event in events.by_ref().take(ADD_BATCH) {
                let mut add = cmd("XADD");
                add.arg(OrderCompleted::STREAM).arg("*");
                for (name, value) in event.encode() {
                    add.arg(name).arg(value);
                }
                pipe.add_command(add).ignore();
            }
            pipe.query::<()>(&mut self.connection)?;
        }
        Ok(())
    }

    /// The bytes that all keys take with their content, except the keys in `without`. The memory
    /// that the server uses beside its keys changes by more than an order takes, so it is not
    /// counted.
    pub(crate) fn memory(&mut self, without: &[&str]) -> Result<u64> {
        let (mut total, mut cursor) = (0, 0_u64);
        loop {
            let (next, keys): (u64, Vec<String>) =
                self.ask(&["SCAN", &cursor.to_string(), "COUNT", SCAN_COUNT])?;
            let mut pipe = redis::pipe();
            for key in keys.iter().filter(|key| !without.contains(&key.as_str())) {
                pipe.cmd("MEMORY")
                    .arg("USAGE")
                    .arg(key)
                    .arg("SAMPLES")
                    .arg(0);
            }
            let sizes: Vec<Option<u64>> = pipe.query(&mut self.connection)?;
            total += sizes.into_iter().flatten().sum::<u64>();
            cursor = next;
            if cursor == 0 {
                return Ok(total);
            }
        }
    }
}

fn field(map: &BTreeMap<String, Value>, name: &str) -> Option<String> {
    String::from_redis_value_ref(map.get(name)?).ok()
}

/// The number of calls in `calls=12,usec=...`.
fn calls_in(line: &str) -> Option<u64> {
    line.strip_prefix("calls=")?.split(',').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_is_done_when_it_has_everything_and_owes_nothing() {
        let lag = |delivered: &str, pending| GroupLag {
            newest: "5-0".to_owned(),
            delivered: delivered.to_owned(),
            pending,
        };
        assert!(lag("5-0", 0).is_settled());
        assert!(!lag("5-0", 1).is_settled() && !lag("4-0", 0).is_settled());
    }

    #[test]
    fn calls_are_read_from_what_the_server_counts() {
        assert_eq!(calls_in("calls=12,usec=3,usec_per_call=0.2"), Some(12));
        assert_eq!(calls_in("nothing"), None);
    }
}
