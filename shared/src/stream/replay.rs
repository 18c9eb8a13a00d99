//! Acts again on the recent past of a stream, because the own store may have forgotten its effects.
//!
//! A store that was restarted without its last writes, failed over, or was put back from a backup
//! may have lost effects whose entries are acknowledged. Redis never delivers those entries again.
//! Effects are idempotent, so the consumer acts on the entries once more, before it acts on
//! anything new.

use std::collections::HashMap;
use std::time::Duration;

use crate::contract::entry_id::EntryId;
use crate::redis::{Entry, Redis, RedisError};
use crate::stream::delivery::Delivery;
use crate::stream::group::{Membership, Pace};
use crate::stream::stream_state::read_id;

/// Reads the recent past again, a page at a time.
#[derive(Debug, Default)]
pub(crate) struct Replay {
    pass: Option<Pass>,
    /// Passes that began since the last look that found nothing forgotten.
    passes: u32,
    /// How often each entry of the page had been handed over before this process did it first.
    counts: HashMap<String, u32>,
}

/// A page of entries that are to be acted on again.
#[derive(Debug, Default)]
pub(crate) struct Page {
    /// The entries.
    pub(crate) entries: Vec<Entry>,
    /// Where the next page begins; `None` when this page is the last.
    pub(crate) next: Option<EntryId>,
}

/// One reading of the recent past.
#[derive(Debug)]
pub(crate) struct Pass {
    /// Where the next page begins.
    pub(crate) next: EntryId,
    /// The last entry of the past.
    pub(crate) last: EntryId,
    /// The incarnation of the own store in which the pass began.
    pub(crate) incarnation: String,
    /// The marks that said that the pass was due.
    pub(crate) marks: Vec<String>,
    /// Whether only the marks said so. Otherwise the incarnation was a new one.
    pub(crate) is_due_by_marks: bool,
    /// The identity of the partition when the pass began.
    pub(crate) identity: Option<String>,
}

/// How far back a replay goes. The owner of the stream keeps entries at least this long.
pub const REPLAY_WINDOW: Duration = Duration::from_mins(10);
/// Passes in a row that count as progress. Each restart of the store causes one more pass. More
/// passes than this mean that the store seems new at each look.
const PASSES: u32 = 5;

impl Replay {
    /// Begins a pass.
    pub(crate) fn begin(&mut self, pass: Pass) {
        self.passes = self.passes.saturating_add(1);
        self.pass = Some(pass);
        self.counts.clear();
    }

    /// Sets the counts of a page to those that this process read at first. This process lives, so
    /// the attempts since then killed nothing, even if a store was away when their counts were to
    /// be set back.
    pub(crate) fn recall_counts(&mut self, page: &mut [Delivery]) {
        for Delivery { entry, attempts } in page {
            *attempts = *self.counts.entry(entry.id.clone()).or_insert(*attempts);
        }
    }

    /// The pass that is under way.
    pub(crate) fn pass(&self) -> Option<&Pass> {
        self.pass.as_ref()
    }

    /// Whether another page counts as progress of the consumer.
    pub(crate) fn is_progress(&self) -> bool {
        self.passes <= PASSES
    }

    /// Reads the next page of the pass.
    pub(crate) async fn read(
        &self,
        stream_store: &Redis,
        membership: &Membership,
        pace: &mut Pace,
    ) -> Result<Page, RedisError> {
        let Some(pass) = &self.pass else {
            return Ok(Page::default());
        };
        let (next, last) = (pass.next.to_string(), pass.last.to_string());
        let entries = membership.range(stream_store, pace, &next, &last).await?;
        let Some(found) = entries.last() else {
            return Ok(Page::default());
        };
        let found = read_id(&found.id)?;
        if found < pass.next {
            let why = format!("it has {found}, and has to begin at {next}");
            return Err(RedisError::malformed("a page of a list", why));
        }
        Ok(Page {
            entries,
            next: found.next(),
        })
    }

    /// Goes on from `next`, after the page before it was acted on.
    pub(crate) fn go_on_from(&mut self, next: EntryId) {
        if let Some(pass) = &mut self.pass {
            pass.next = next;
        }
        self.counts.clear();
    }

    /// Ends the pass, and answers it.
    pub(crate) fn end(&mut self) -> Option<Pass> {
        self.pass.take()
    }

    /// Forgets the passes so far, because a look found nothing forgotten.
    pub(crate) fn rest(&mut self) {
        self.passes = 0;
    }
}
