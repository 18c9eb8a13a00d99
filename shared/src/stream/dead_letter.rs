//! Dead letters: entries that are parked, so that the entries after them flow.
//!
//! The consumer's own store keeps them, oldest first. A dead letter has the fields of its entry as
//! they came, and what is known about the failure. It is written with plain commands and not by a
//! Redis Function, because an entry may have more fields than Lua can pass on. A crash between the
//! writes may leave a dead letter twice, and never loses one. Nor does a failover between them.
//!
//! The store keeps as many dead letters as [`Bounds`] allow. The oldest ones beyond the bounds are
//! written to the log, whole, and then leave the store. While the log is not written, they stay.

use std::time::Duration;

mod bounds;
mod caretaker;
mod census;
mod letter;
mod log_copy;
mod names;

pub(crate) use crate::stream::dead_letter::bounds::Keeper;
pub use crate::stream::dead_letter::caretaker::Caretaker;
pub use crate::stream::dead_letter::census::{Dead, list};

use futures_util::future::join_all;

use crate::redis::{Command, Entry, RedisError, Reply};
use crate::store::Store;
use crate::store::partition::Partition;
use crate::stream::delivery::{Delivery, Parking};
use crate::stream::group::Membership;

/// How many dead letters a partition of a store keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bounds {
    /// The most dead letters.
    pub count: u64,
    /// The most bytes of all dead letters, as the store counts them.
    pub bytes: u64,
    /// How much older a dead letter may be than the newest one. The clock of the store alone does
    /// not make it old: see [`crate::store::sweep`].
    pub age: Duration,
}

/// The dead letters of one partition.
pub(crate) struct DeadLetters<'a> {
    pub(crate) store: &'a Store,
    pub(crate) partition: Partition,
}

/// The stream of dead letters.
pub(crate) const DEAD_LETTERS: &str = "dead_letters";
/// Hash from the name of an entry to the id of its dead letter, so that an entry that is delivered
/// again is not parked again. The name is the id of the entry and a digest of its fields,
/// because a stream that lost its tail may give the same id to another event.
const DEAD_LETTER_IDS: &str = "dead_letter_ids";
/// Pause between two lines of the log that say how many dead letters there are.
pub const REPORT_INTERVAL: Duration = Duration::from_mins(1);
/// The most dead letters that are looked for at the same time. Each answer has a whole dead letter.
const SOUGHT: usize = 16;
/// The most entries that a line of the log names.
const NAMED: usize = 3;

impl Bounds {
    /// The bounds that both services have by default.
    pub const SHIPPED: Self = Self {
        count: 100_000,
        bytes: 64 * 1024 * 1024,
        age: Duration::from_hours(30 * 24),
    };
}

impl DeadLetters<'_> {
    /// Parks entries. The caller acknowledges them afterwards, so their dead letters have to be
    /// in the store, and no failover may take them back.
    ///
    /// The name of a dead letter is written even if the replicas do not confirm the dead letter in
    /// time. The next attempt then looks for the dead letter, and adds it again only if a failover
    /// took it. Without the name, each attempt would add another one while a replica is away.
    pub(crate) async fn park(
        &self,
        membership: &Membership,
        parked: &[(Delivery, Parking)],
        keeper: &mut Keeper,
    ) -> Result<(), RedisError> {
        let news = self.without_letter(parked).await?;
        if news.is_empty() {
            return Ok(());
        }
        // Sent together: the store writes them to its file in one go.
        let added = join_all(news.iter().map(|&(delivery, parking, _)| async move {
            let add = Command::new("XADD")
                .key(self.partition.key(DEAD_LETTERS))
                .arg("*");
            let add = letter::write(add, membership, delivery, parking);
            let (id, confirmed) = self.store.run_and_confirm(add).await?;
            Ok::<_, RedisError>((id.text()?, confirmed))
        }));
        let (mut outcome, mut names) = (Ok(()), Vec::new());
        for ((_, _, name), added) in news.iter().zip(added.await) {
            let confirmed = added.and_then(|(id, confirmed)| {
                names.extend([name.clone(), id]);
                confirmed
            });
            outcome = outcome.and(confirmed);
        }
        if !names.is_empty() {
            let remember = Command::new("HSET").key(self.partition.key(DEAD_LETTER_IDS));
            self.store.run_confirmed(remember.args(names)).await?;
        }
        outcome?;
        log_parked(membership, &news);
        self.keep_within(keeper).await;
        Ok(())
    }

    /// Reads up to `count` dead letters with all their fields, oldest first.
    async fn read(&self, first: &str, last: &str, count: usize) -> Result<Vec<Entry>, RedisError> {
        let page = Command::new("XRANGE")
            .key(self.partition.key(DEAD_LETTERS))
            .arg(first)
            .arg(last);
        let page = page
            .arg("COUNT")
            .arg(i64::try_from(count).unwrap_or(i64::MAX));
        Ok(self.store.run(page).await?.whole_entries()?)
    }

    /// The entries that have no dead letter yet, with their names. Replicas have confirmed the dead
    /// letters of the others.
    ///
    /// A name alone does not show that there is a dead letter. A failover may take the dead letter
    /// and leave the name, which was written to the new primary.
    async fn without_letter<'p>(
        &self,
        parked: &'p [(Delivery, Parking)],
    ) -> Result<Vec<(&'p Delivery, &'p Parking, String)>, RedisError> {
        if parked.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<String> = parked
            .iter()
            .map(|(delivery, _)| name(&delivery.entry))
            .collect();
        let ids = Command::new("HMGET").key(self.partition.key(DEAD_LETTER_IDS));
        let ids = ids.args(names.iter().map(String::as_str));
        let ids = self.store.run(ids).await?.list_of(names.len())?;
        let all: Vec<_> = parked.iter().zip(names).zip(ids).collect();
        let mut news = Vec::new();
        for page in all.chunks(SOUGHT) {
            let there = join_all(page.iter().map(|(_, id)| self.is_there(id))).await;
            for (((entry, name), _), is_there) in page.iter().zip(there) {
                if !is_there? {
                    news.push((&entry.0, &entry.1, name.clone()));
                }
            }
        }
        Ok(news)
    }

    /// Whether the store has the dead letter with this id; false for a null reply.
    async fn is_there(&self, id: &Reply) -> Result<bool, RedisError> {
        if id.is_null() {
            return Ok(false);
        }
        let id = id.clone().text()?;
        let find = Command::new("XRANGE").key(self.partition.key(DEAD_LETTERS));
        let find = find.arg(id.as_str()).arg(id.as_str());
        Ok(!self.store.run_confirmed(find).await?.list()?.is_empty())
    }
}

/// Logs one line for all entries, because hundreds of them may be parked together.
fn log_parked(membership: &Membership, news: &[(&Delivery, &Parking, String)]) {
    let mut reasons: Vec<&str> = news.iter().map(|(_, parking, _)| parking.reason).collect();
    reasons.sort_unstable();
    reasons.dedup();
    let entries: Vec<&str> = news
        .iter()
        .take(NAMED)
        .map(|(delivery, ..)| delivery.entry.id.as_str())
        .collect();
    let detail = news.first().map(|(_, parking, _)| parking.detail.as_str());
    tracing::error!(
        stream = membership.stream,
        parked = news.len(),
        reasons = reasons.join(", "),
        entries = entries.join(", "),
        detail,
        "parked: a person has to look at these entries"
    );
}

/// The name of an entry in [`DEAD_LETTER_IDS`].
fn name(entry: &Entry) -> String {
    format!("{} {}", entry.id, entry.digest())
}
