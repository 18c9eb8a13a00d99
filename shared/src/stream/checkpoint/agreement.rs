//! Whether the own store and a stream agree about how far the stream was acted on.

use crate::contract::entry_id::EntryId;
use crate::redis::{Command, Redis, RedisError};
use crate::stream::checkpoint::recorded::{Recorded, as_ms};
use crate::stream::replay::REPLAY_WINDOW;
use crate::stream::stream_state::StreamState;

/// What the two stores say of each other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Agreement {
    /// They agree, or a replay makes them agree.
    Consistent,
    /// The stream has lost its last entries. None of them is much older than the newest entry.
    TailLost,
    /// One store is much older than the other one knows it to be. Only a person can decide which one
    /// is right.
    Diverged(String),
}

/// What a person has to do about two stores that have diverged.
const REMEDY: &str = "Nothing is acted on, because it might be wrong. Put the right files back, or run \
     `payments reconcile --apply` and then the verb adopt-store of this service";

/// Compares a stream with what the own store has recorded of it.
pub(crate) async fn compare(
    state: &StreamState,
    redis: &Redis,
    stream: &str,
    own: Recorded,
) -> Result<Agreement, RedisError> {
    let mut found = Vec::new();
    for id in [own.earlier, own.id] {
        if own.id > state.delivered && state.cannot_be_trimmed(id) {
            let id = id.to_string();
            let find = Command::new("XRANGE").key(stream);
            let find = find.arg(id.as_str()).arg(id.as_str());
            let entries = redis.run(find).await?.entries()?;
            found.extend(entries.into_iter().map(|entry| entry.id));
        }
    }
    Ok(judge(state, stream, own, |id| {
        found.contains(&id.to_string())
    }))
}

/// The same, where `has` says whether the stream has an entry that cannot have been trimmed.
pub(super) fn judge(
    state: &StreamState,
    stream: &str,
    own: Recorded,
    has: impl Fn(EntryId) -> bool,
) -> Agreement {
    if let Some(lost) = lost_behind(state, own) {
        return Agreement::Diverged(format!(
            "this store is older than what was acted on: it remembers {stream} up to {}, the \
             stream was acted on up to {}, and {lost} entries in between are gone. {REMEDY}",
            own.id, state.delivered,
        ));
    }
    // A group that was lost and made again begins anew, in a stream that has lost nothing. A stream
    // that never had an entry was lost with its whole store, and that store has its own check.
    if own.id <= state.delivered || state.is_empty() {
        return Agreement::Consistent;
    }
    let has_forgotten = |id| id > state.last || state.cannot_be_trimmed(id) && !has(id);
    if has_forgotten(own.earlier) {
        return Agreement::Diverged(format!(
            "the stream {stream} is older than what was acted on: it is given out up to {}, \
             and was acted on up to {}. {REMEDY}",
            state.delivered, own.id,
        ));
    }
    if has_forgotten(own.id) {
        Agreement::TailLost
    } else {
        Agreement::Consistent
    }
}

/// How many entries behind the checkpoint no replay can bring back, because the stream has trimmed
/// them. An own store that lost only its tail is never that far behind.
fn lost_behind(state: &StreamState, own: Recorded) -> Option<u64> {
    let is_far = state.delivered.ms.saturating_sub(own.id.ms) > as_ms(REPLAY_WINDOW);
    let begins_later = state.first.is_none_or(|first| first > own.id);
    let lost = state
        .added
        .saturating_sub(state.length)
        .saturating_sub(own.count);
    // Entries that are only pending do not count, even where somebody removed them from the stream.
    let acted_on = state.count().saturating_sub(own.count) > state.pending;
    (is_far && begins_later && acted_on && lost > 0).then_some(lost)
}
