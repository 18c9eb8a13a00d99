//! A connection to a store that sends whole pipelines.

use std::thread::ScopedJoinHandle;

use anyhow::{Result, anyhow};
use redis::{Cmd, Connection, FromRedisValue, Value};

use crate::operator::Operator;

/// The connection.
pub(super) struct Line(Connection);

/// An entry that was read: its id, and the id of its order.
#[derive(Debug, PartialEq)]
pub(super) struct Entry {
    pub(super) id: Vec<u8>,
    pub(super) order: String,
}

impl Line {
    pub(super) fn connect(store: &Operator) -> Result<Self> {
        Ok(Self(store.another()?))
    }

    /// Sends packed commands, and waits for their answers.
    pub(super) fn ask(&mut self, commands: &[u8], count: usize) -> Result<Vec<Value>> {
        self.0.send_packed_command(commands)?;
        let mut answers = Vec::with_capacity(count);
        for _ in 0..count {
            answers.push(self.0.recv_response()?.extract_error()?);
        }
        Ok(answers)
    }

    /// The entries of an answer to XREADGROUP of a single stream.
    pub(super) fn entries(answer: Option<&Value>) -> Vec<Entry> {
        let [Value::Array(stream)] = items(answer) else {
            return Vec::new();
        };
        items(stream.get(1)).iter().filter_map(entry).collect()
    }

    /// The number of orders that were applied: the answer has a 1 for each.
    pub(super) fn ones(answer: &Value) -> u64 {
        let ones = items(Some(answer))
            .iter()
            .filter(|item| **item == Value::Int(1));
        u64::try_from(ones.count()).unwrap_or_default()
    }
}

/// A command in the form of the wire protocol.
pub(super) fn packed(args: &[Vec<u8>]) -> Vec<u8> {
    let mut command = Cmd::new();
    for arg in args {
        command.arg(arg.as_slice());
    }
    command.get_packed_command()
}

/// The result of a thread.
pub(super) fn joined(thread: ScopedJoinHandle<'_, Result<()>>) -> Result<()> {
    thread.join().map_err(|_| anyhow!("a thread panicked"))?
}

fn items(value: Option<&Value>) -> &[Value] {
    match value {
        Some(Value::Array(items)) => items,
        _ => &[],
    }
}

fn entry(value: &Value) -> Option<Entry> {
    let [Value::BulkString(id), Value::Array(fields)] = items(Some(value)) else {
        return None;
    };
    let mut pairs = fields.chunks_exact(2);
    let order = pairs.find(|pair| pair[0] == Value::BulkString(b"order_id".to_vec()))?;
    Some(Entry {
        id: id.clone(),
        order: String::from_redis_value_ref(&order[1]).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value {
        Value::BulkString(text.as_bytes().to_vec())
    }

    #[test]
    fn entries_are_found_in_what_was_read() {
        let fields = Value::Array(vec![text("a"), text("b"), text("order_id"), text("o")]);
        let entries = Value::Array(vec![Value::Array(vec![text("1-0"), fields])]);
        let read = Value::Array(vec![Value::Array(vec![text("s"), entries])]);
        let expected = Entry {
            id: b"1-0".to_vec(),
            order: "o".to_owned(),
        };
        assert_eq!(Line::entries(Some(&read)), [expected]);
        assert_eq!(Line::entries(Some(&Value::Nil)), []);
    }

    #[test]
    fn only_applied_orders_count() {
        let answer = Value::Array(vec![Value::Int(1), Value::Int(4), Value::Int(1)]);
        assert_eq!(Line::ones(&answer), 2);
    }
}
