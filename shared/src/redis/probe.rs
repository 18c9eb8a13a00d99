//! Finds out whether a store accepts changes, by making one.

use super::confirm_key::MARK;
use super::{Code, Command, Redis, RedisError};

impl Redis {
    /// Writes an empty value to a key that is never read. The error says why the store refused: it
    /// may be full, a replica, or unable to write its files. Reads would still succeed there. In a
    /// cluster, `tag` chooses the node.
    pub async fn try_change(&self, tag: Option<u16>) -> Result<(), String> {
        let key = match tag {
            Some(tag) => format!("{MARK}:{{{tag}}}"),
            None => format!("{MARK}:probe"),
        };
        let change = self
            .run_confirmed(Command::new("SET").key(key).arg(""))
            .await;
        change.map(drop).map_err(|error| self.refusal(error))
    }

    /// Like [`Redis::try_change`], for the reader of a stream, whose user may not write values. It
    /// creates its consumer group if the group is missing, and acknowledges an entry that never
    /// exists.
    pub async fn try_membership(&self, stream: &str, group: &str) -> Result<(), String> {
        let create = Command::new("XGROUP").arg("CREATE").key(stream).arg(group);
        match self.run(create.arg("0").arg("MKSTREAM")).await {
            Err(error) if !error.is(Code::BusyGroup) => return Err(self.refusal(error)),
            _ => {}
        }
        let acknowledge = Command::new("XACK").key(stream).arg(group).arg("0-1");
        let change = self.run_confirmed(acknowledge).await;
        change.map(drop).map_err(|error| self.refusal(error))
    }

    fn refusal(&self, error: RedisError) -> String {
        match error {
            RedisError::Unavailable { code, message } if code.did_nothing() => {
                format!("{} refuses: {message}", self.inner.url)
            }
            error => error.to_string(),
        }
    }
}
