//! Forgets the names of dead letters that a person has taken out of the store.

use super::{DEAD_LETTER_IDS, DeadLetters};
use crate::contract::entry_id::EntryId;
use crate::redis::{Command, RedisError};
use crate::stream::dead_letter::census::Census;
use crate::stream::stream_state::read_id;

/// What a whole scan of the names left behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Scanned {
    /// How many more names than dead letters remain. Their dead letters were removed from the
    /// middle.
    surplus: u64,
    /// The oldest dead letter at the time of the scan.
    oldest: EntryId,
}

/// About how many names one command reads.
const PAGE: i64 = 1_000;
/// The most commands of one scan. A scan that ends here begins anew in the next round, with fewer
/// names.
const PAGES: usize = 1_000;

impl DeadLetters<'_> {
    /// Forgets the names of dead letters that are older than the oldest dead letter in the store.
    /// Otherwise these names would stay for ever. Scans nothing if the counts are the same as after
    /// the scan `before`. Answers what a whole scan left; `None` without a whole scan.
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
        // Without a dead letter no id shows which names are old. The next dead letter will show it.
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
