//! Moves the oldest dead letters from the store into the log when there are too many. The log then
//! has the only copy, so a dead letter leaves the store only after its lines are written.

use std::time::{Duration, Instant};

use super::{Bounds, DEAD_LETTER_IDS, DEAD_LETTERS, DeadLetters, letter};
use crate::base::telemetry::ONLY_COPY;
use crate::contract::time::Timestamp;
use crate::redis::{Code, Command, Entry, RedisError};
use crate::stream::dead_letter::census::Census;
use crate::stream::dead_letter::log_copy;
use crate::stream::group::Pace;
use crate::stream::stream_state::read_id;

/// The bounds, and what one step of moving dead letters leaves for the next.
#[derive(Debug)]
pub(crate) struct Keeper {
    pub(super) bounds: Bounds,
    /// The earliest time of the next attempt, after dead letters could not leave.
    not_before: Option<Instant>,
    /// How many dead letters the next step reads. A dead letter of an older build may have
    /// megabytes.
    pace: Pace,
}

/// Dead letters that have to leave.
enum Excess {
    /// This many of the oldest ones.
    Count(u64),
    /// The oldest ones, up to this many bytes.
    Bytes(u64),
    /// All that were parked before this time.
    Before(Timestamp),
}

/// The most dead letters that leave with one step.
const PAGE: usize = 200;
/// The most steps in a row. After each parked batch, more dead letters may leave than
/// came. So a store gets within a smaller bound in the end.
const STEPS: u64 = 20;
/// Pause after dead letters could not leave.
const PAUSE: Duration = Duration::from_secs(10);

impl Keeper {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self {
            bounds,
            not_before: None,
            pace: Pace::cautious(),
        }
    }

    fn pauses(&self) -> bool {
        self.not_before
            .is_some_and(|not_before| Instant::now() < not_before)
    }

    /// Makes no attempt for [`PAUSE`], and then begins with one dead letter.
    fn pause(&mut self) {
        self.not_before = Some(Instant::now() + PAUSE);
        self.pace = Pace::cautious();
    }
}

impl DeadLetters<'_> {
    /// Moves the oldest dead letters out of the store and into the log, until the others are within
    /// the bounds of number and bytes. A crash in between leaves some of them in the log twice.
    /// Dead letters that the log does not take stay in the store. A failure is only logged, because
    /// the work of the caller is done. A later call tries again.
    pub(super) async fn keep_within(&self, keeper: &mut Keeper) {
        self.let_leave(keeper, None).await;
    }

    /// Moves the dead letters that were parked before `oldest` in the same way.
    pub(super) async fn keep_since(&self, keeper: &mut Keeper, oldest: Timestamp) {
        self.let_leave(keeper, Some(oldest)).await;
    }

    async fn let_leave(&self, keeper: &mut Keeper, oldest: Option<Timestamp>) {
        if keeper.pauses() {
            return;
        }
        let mut moved = 0;
        for _ in 0..STEPS {
            match self.step(keeper, oldest, &mut moved).await {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    keeper.pause();
                    let error = error.to_string();
                    tracing::warn!(
                        error,
                        "dead letters beyond the bounds stay in the store for now"
                    );
                    break;
                }
            }
        }
        if moved > 0 {
            tracing::warn!(moved, "dead letters beyond the bounds are in the log now");
        }
    }

    /// Moves a page of dead letters. Answers whether more may have to leave.
    async fn step(
        &self,
        keeper: &mut Keeper,
        oldest: Option<Timestamp>,
        moved: &mut usize,
    ) -> Result<bool, RedisError> {
        let excess = match oldest {
            Some(oldest) => Some(Excess::Before(oldest)),
            None => self.excess(&keeper.bounds).await?,
        };
        let Some(excess) = excess else {
            return Ok(false);
        };
        let page = self.read_excess(keeper, &excess).await?;
        let written = log_copy::write(&page).await;
        self.remove(&page[..written]).await?;
        *moved += written;
        if written < page.len() {
            keeper.pause();
            tracing::error!(
                "dead letters beyond the bounds stay in the store: the log was not written in \
                 time, or RUST_LOG drops the warnings of {ONLY_COPY}"
            );
        }
        Ok(written > 0 && written == page.len())
    }

    /// Reads the next dead letters that have to leave, oldest first.
    async fn read_excess(
        &self,
        keeper: &mut Keeper,
        excess: &Excess,
    ) -> Result<Vec<Entry>, RedisError> {
        let (last, room) = match excess {
            Excess::Count(count) => ("+".to_owned(), usize::try_from(*count).unwrap_or(PAGE)),
            Excess::Bytes(_) => ("+".to_owned(), PAGE),
            Excess::Before(oldest) => (format!("({}-0", oldest.as_millis()), PAGE),
        };
        let count = keeper.pace.count(room.min(PAGE));
        let mut page = self.read("-", &last, count).await?;
        keeper.pace.learn(count, &page);
        if let Excess::Bytes(excess) = excess {
            let mut bytes = 0;
            let before = |letter: &&Entry| {
                let goes = bytes < *excess;
                bytes += u64::try_from(letter.bytes()).unwrap_or(u64::MAX);
                goes
            };
            let going = page.iter().take_while(before).count();
            page.truncate(going);
        }
        Ok(page)
    }

    /// The dead letters beyond the bounds of number and bytes.
    async fn excess(&self, bounds: &Bounds) -> Result<Option<Excess>, RedisError> {
        // `SAMPLES 0` measures every node of the stream. A sample says little where sizes differ.
        let usage = Command::new("MEMORY")
            .arg("USAGE")
            .key(self.partition.key(DEAD_LETTERS));
        let usage = usage.args(["SAMPLES", "0"]).as_attempt();
        let (census, usage) = tokio::join!(
            Census::of(self.store, self.partition),
            self.store.run(usage)
        );
        let bytes = match usage {
            Ok(bytes) if bytes.is_null() => 0,
            Ok(bytes) => bytes.unsigned()?,
            // The Redis user of an older build may not ask. Then only the number counts.
            Err(error) if error.is(Code::NoPerm) => 0,
            Err(error) => return Err(error),
        };
        let by_count = census?.count.saturating_sub(bounds.count);
        let by_bytes = bytes.saturating_sub(bounds.bytes);
        Ok(match (by_count, by_bytes) {
            (0, 0) => None,
            (0, bytes) => Some(Excess::Bytes(bytes)),
            (count, _) => Some(Excess::Count(count)),
        })
    }

    /// Removes dead letters from the store. Their names go first, because a crash in between must
    /// not leave names for ever.
    async fn remove(&self, page: &[Entry]) -> Result<(), RedisError> {
        let Some(last) = page.last() else {
            return Ok(());
        };
        let names: Vec<String> = page.iter().filter_map(letter::name_of).collect();
        if !names.is_empty() {
            let forget = Command::new("HDEL")
                .key(self.partition.key(DEAD_LETTER_IDS))
                .args(names);
            self.store.run(forget).await?;
        }
        let Some(first) = read_id(&last.id)?.next() else {
            return Ok(());
        };
        let trim = Command::new("XTRIM").key(self.partition.key(DEAD_LETTERS));
        self.store
            .run(trim.args(["MINID", "="]).arg(first.to_string()))
            .await
            .map(drop)
    }
}
