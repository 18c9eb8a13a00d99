//! The stream that a service reads, which shows whether the store of the service once had data.

use crate::redis::{Code, Command, Redis, RedisError};

/// The stream that this service reads. It shows whether this service's store once had data.
#[derive(Clone)]
pub struct Witness {
    /// A client of the store that has the stream.
    pub redis: Redis,
    /// The key of the stream without a partition tag.
    pub stream: &'static str,
    /// The group that this service makes there once it has opened its store.
    pub group: &'static str,
    /// Whether the stream is in the own store. A store that has lost all data has lost this stream
    /// too, and cannot be told from a new store, until a running consumer makes its group again.
    pub is_own: bool,
}

impl Witness {
    /// Whether a stream ever had an entry, or has the group.
    pub(super) async fn knows_service(&self, stream: &str) -> Result<bool, RedisError> {
        let xinfo = |about: &'static str| Command::new("XINFO").arg(about).key(stream);
        let info = match self.redis.run(xinfo("STREAM")).await {
            Err(error) if error.is(Code::NoSuchKey) => return Ok(false),
            info => info?,
        };
        if info.field("entries-added")?.unsigned()? > 0 {
            return Ok(true);
        }
        for group in self.redis.run(xinfo("GROUPS")).await?.list()? {
            if group.field("name")?.text()? == self.group {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
