//! A consumer group on one stream, and the Redis commands behind it.
//!
//! Each read waits for replicas, because a consumer must not act on an entry that a failover takes
//! back.

use std::time::Duration;

mod missing;
mod pace;

pub use crate::stream::group::pace::Pace;

use crate::redis::{Code, Command, Entry, Redis, RedisError};
use crate::stream::group::pace::READ_BYTES;

/// Where and as whom a consumer reads.
#[derive(Clone, Debug)]
pub struct Membership {
    /// The key of the stream.
    pub stream: String,
    /// The consumer group.
    pub group: &'static str,
    /// The name of this consumer in the group. Each process has its own name, and keeps it over a
    /// restart.
    pub consumer: String,
}

/// What a scan for abandoned entries found.
#[derive(Debug)]
pub struct Reclaimed {
    /// Where the next scan goes on; `0-0` when this scan came to the end.
    pub cursor: String,
    /// Entries that now belong to this consumer.
    pub entries: Vec<Entry>,
}

/// The id before all others. A group that is created there misses no entry, and a scan that starts
/// there sees every entry.
pub const BEGINNING: &str = "0-0";

/// Entries handed over at once; also the most that a consumer holds. A read answers the entries
/// that are there, so a batch is this large only where a pile waits.
pub const BATCH: usize = 500;
/// How long a read waits for the first new entry. The wait has an end, because a reader must notice
/// that its stream is gone.
pub const BLOCK: Duration = Duration::from_secs(2);
/// The most new entries that one command reads. A longer answer arrives in more pieces, and the
/// client parses it from its beginning with each piece.
const READ: usize = 100;
/// The most entries that one command reads again. There may be many of them, so each page is
/// settled before the next page is read.
const AGAIN: usize = 500;

impl Membership {
    /// Creates the group, and the stream where it does not exist. The group starts at the beginning
    /// of the stream, so that it misses no entry that was emitted before.
    pub async fn ensure_group(&self, redis: &Redis) -> Result<(), RedisError> {
        let create = Command::new("XGROUP")
            .arg("CREATE")
            .key(self.stream.as_str());
        match redis
            .run(create.arg(self.group).arg("0").arg("MKSTREAM"))
            .await
        {
            Err(error) if !error.is(Code::BusyGroup) => Err(error),
            _ => Ok(()),
        }
    }

    /// Waits up to `block` for entries that no consumer was given yet, and reads up to `room` of
    /// them.
    pub async fn read_new(
        &self,
        reader: &Redis,
        pace: &mut Pace,
        room: usize,
        block: Duration,
    ) -> Result<Vec<Entry>, RedisError> {
        // BLOCK 0 would wait for ever.
        let block_ms = as_ms(block).max(1);
        let count = pace.count(room.min(READ));
        let wait = self.read(count).arg("BLOCK").arg(block_ms);
        let mut entries = self.read_undelivered(reader, wait).await?;
        pace.learn(count, &entries);
        let mut is_full = entries.len() >= count;
        while is_full && entries.len() < room && weight(&entries) < READ_BYTES {
            let count = pace.count(READ.min(room - entries.len()));
            let more = self.read_undelivered(reader, self.read(count)).await?;
            // An empty answer only says that the pile has been read.
            if !more.is_empty() {
                pace.learn(count, &more);
            }
            is_full = more.len() >= count;
            entries.extend(more);
        }
        Ok(entries)
    }

    async fn read_undelivered(
        &self,
        reader: &Redis,
        read: Command,
    ) -> Result<Vec<Entry>, RedisError> {
        let read = read.arg("STREAMS").key(self.stream.as_str()).arg(">");
        Ok(bounded(reader.run_confirmed(read).await?.read_entries()?))
    }

    /// Reads again the entries after `after` that this consumer was given and has not acknowledged.
    pub async fn read_own_pending(
        &self,
        redis: &Redis,
        pace: &mut Pace,
        after: &str,
    ) -> Result<Vec<Entry>, RedisError> {
        let count = pace.count(AGAIN);
        let read = self
            .read(count)
            .arg("STREAMS")
            .key(self.stream.as_str())
            .arg(after);
        let entries = bounded(redis.run_confirmed(read).await?.read_entries()?);
        pace.learn(count, &entries);
        Ok(entries)
    }

    /// Takes over entries that their consumer has not acknowledged for `idle`, from `cursor` on.
    pub async fn reclaim(
        &self,
        redis: &Redis,
        pace: &mut Pace,
        idle: Duration,
        cursor: &str,
    ) -> Result<Reclaimed, RedisError> {
        let count = pace.count(AGAIN);
        let claim = Command::new("XAUTOCLAIM")
            .key(self.stream.as_str())
            .arg(self.group)
            .arg(self.consumer.as_str())
            .arg(as_ms(idle))
            .arg(cursor)
            .arg("COUNT")
            .arg(as_count(count));
        let [cursor, entries, removed] = redis.run_confirmed(claim).await?.exactly("a scan")?;
        let mut entries = bounded(entries.entries()?);
        pace.learn(count, &entries);
        // These entries no longer exist in the stream, so Redis has taken them off the pending
        // list. It never names them again. [`Membership::missing`] finds them before the scan, but
        // for an entry that vanishes in between: a crash before it is a dead letter loses it.
        entries.extend(removed.texts()?.into_iter().map(missing::entry));
        Ok(Reclaimed {
            cursor: cursor.text()?,
            entries,
        })
    }

    /// Acknowledges entries.
    pub async fn acknowledge(&self, redis: &Redis, ids: Vec<String>) -> Result<(), RedisError> {
        if ids.is_empty() {
            return Ok(());
        }
        let ack = Command::new("XACK")
            .key(self.stream.as_str())
            .arg(self.group);
        redis.run(ack.args(ids)).await.map(drop)
    }

    /// Entries from `from` to `to`, read without the group.
    pub async fn range(
        &self,
        redis: &Redis,
        pace: &mut Pace,
        from: &str,
        to: &str,
    ) -> Result<Vec<Entry>, RedisError> {
        let count = pace.count(AGAIN);
        let range = Command::new("XRANGE")
            .key(self.stream.as_str())
            .arg(from)
            .arg(to);
        let range = range.arg("COUNT").arg(as_count(count));
        let entries = bounded(redis.run_confirmed(range).await?.entries()?);
        pace.learn(count, &entries);
        Ok(entries)
    }

    /// The other consumers that have nothing pending and have asked for nothing for `idle`, on the
    /// clock of the store.
    pub async fn idle_consumers(
        &self,
        redis: &Redis,
        idle: Duration,
    ) -> Result<Vec<String>, RedisError> {
        let consumers = Command::new("XINFO")
            .arg("CONSUMERS")
            .key(self.stream.as_str())
            .arg(self.group);
        let mut names = Vec::new();
        for consumer in redis.run(consumers).await?.list()? {
            let name = consumer.clone().field("name")?.text()?;
            let pending = consumer.clone().field("pending")?.unsigned()?;
            let idle_ms = consumer.field("idle")?.unsigned()?;
            if name != self.consumer && pending == 0 && u128::from(idle_ms) >= idle.as_millis() {
                names.push(name);
            }
        }
        Ok(names)
    }

    /// Removes consumers. Answers how many pending entries went with them. A consumer may have been
    /// given entries between the look and the removal. The caller has to read these again, because
    /// Redis never delivers them again.
    pub async fn remove_consumers(
        &self,
        redis: &Redis,
        names: Vec<String>,
    ) -> Result<u64, RedisError> {
        let mut lost = 0;
        for name in names {
            let remove = Command::new("XGROUP")
                .arg("DELCONSUMER")
                .key(self.stream.as_str());
            let removed = redis.run(remove.arg(self.group).arg(name.as_str())).await?;
            lost = removed.unsigned()?.saturating_add(lost);
            tracing::info!(
                stream = self.stream,
                consumer = name,
                "removed an idle consumer"
            );
        }
        Ok(lost)
    }

    fn read(&self, count: usize) -> Command {
        Command::new("XREADGROUP")
            .arg("GROUP")
            .arg(self.group)
            .arg(self.consumer.as_str())
            .arg("COUNT")
            .arg(as_count(count))
    }
}

/// Cuts each entry that is larger than any event.
fn bounded(mut entries: Vec<Entry>) -> Vec<Entry> {
    entries.iter_mut().for_each(Entry::cut);
    entries
}

fn weight(entries: &[Entry]) -> usize {
    entries.iter().map(Entry::weight).sum()
}

fn as_ms(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

fn as_count(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
