//! Names of dead letters that somebody has taken out of the store by hand.

use super::{DEAD_LETTER_IDS, DeadLetters};
use crate::contract::entry_id::EntryId;
use crate::redis::{Command, RedisError};
use crate::stream::checkpoint::read_id;
use crate::stream::dead_letter::census::Census;

/// Names that one command reads, about.
const PAGE: i64 = 1_000;
/// Commands of one scan at most; the next scan begins anew, and finds fewer.
const PAGES: usize = 1_000;

/// What a whole scan of the names left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scanned {
    /// Names beyond the number of dead letters, of some that were removed from among the others.
    surplus: u64,
    /// The oldest dead letter of then.
    oldest: EntryId,
}

impl DeadLetters<'_> {
    /// Forgets the names of dead letters that are older than the oldest one there is. Otherwise they
    /// would stay for ever. Does nothing where a scan would find what it found `before`. Answers what
    /// a whole scan left.
    pub(super) async fn forget_names(
        &self,
        before: Option<Scanned>,
    ) -> Result<Option<Scanned>, RedisError> {
        let names = self.partition.key(DEAD_LETTER_IDS);
        let count = Command::new("HLEN").key(names.as_str());
        let count = self.store.run(count).await?.unsigned()?;
        let census = Census::of(self.store, self.partition).await?;
        let mut scanned = Scanned {
            surplus: count.saturating_sub(census.count),
            oldest: census.oldest,
        };
        // Where there is no dead letter, the next one will tell.
        if census.count == 0 || scanned.surplus == 0 || before == Some(scanned) {
            return Ok(None);
        }
        let mut cursor = "0".to_owned();
        for _ in 0..PAGES {
            let scan = Command::new("HSCAN")
                .key(names.as_str())
                .arg(cursor)
                .arg("COUNT");
            let [next, found] = self.store.run(scan.arg(PAGE)).await?.exactly("a scan")?;
            let is_gone = |id: &str| read_id(id).map_or(true, |id| id < census.oldest);
            let mut gone = Vec::new();
            for (name, id) in found.map()? {
                if is_gone(&id.text()?) {
                    gone.push(name);
                }
            }
            if !gone.is_empty() {
                let forget = Command::new("HDEL").key(names.as_str()).args(gone);
                let forgotten = self.store.run(forget).await?.unsigned()?;
                scanned.surplus = scanned.surplus.saturating_sub(forgotten);
            }
            cursor = next.text()?;
            if cursor == "0" {
                return Ok(Some(scanned));
            }
        }
        Ok(None)
    }
}
