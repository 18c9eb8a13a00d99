//! Whether a store takes changes, found out by making one.

use super::gate::MARK;
use super::{Code, Command, Redis, RedisError};

impl Redis {
    /// Writes an empty value that nobody reads, and answers why that is refused. A store may be full,
    /// a replica, or unable to write its files, and be read as well as ever. In a cluster, `tag`
    /// decides which node is asked.
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

    /// The same for the reader of a stream, who may write nothing: it makes sure of its group, and
    /// acknowledges an entry that never is.
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
