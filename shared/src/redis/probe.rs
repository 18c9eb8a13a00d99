//! Whether a store takes changes, found out by making one.

use super::replica_gate::MARK;
use super::{Command, Redis, RedisError, reason};
use crate::id::Partition;

impl Redis {
    /// Writes an empty value that nobody reads, and answers why that is refused. A store may be full,
    /// a replica, or unable to write its files, and be read as well as ever.
    pub async fn try_change(&self, partition: Partition) -> Result<(), String> {
        // The users of both stores may write what begins like this.
        let key = match partition.index() {
            Some(_) => partition.key(MARK),
            None => format!("{MARK}:probe"),
        };
        match self.run_confirmed(Command::new("SET").key(key).arg("")).await {
            Ok(_) => Ok(()),
            Err(RedisError::NotNow(message)) => {
                Err(format!("{} refuses: {}", self.inner.url, reason::of_refusal(&message)))
            }
            Err(error) => Err(error.to_string()),
        }
    }
}
