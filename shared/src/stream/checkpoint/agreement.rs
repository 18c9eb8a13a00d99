//! Whether the own store and a stream agree about how far the stream was acted on.

use crate::contract::entry_id::EntryId;
use crate::redis::{Command, Redis, RedisError};
use crate::stream::checkpoint::recorded::{Recorded, as_ms};
use crate::stream::replay::REPLAY_WINDOW;
use crate::stream::stream_state::StreamState;

/// Whether the own store and the stream agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Agreement {
    /// They agree, or a replay makes them agree.
    Consistent,
    /// The stream has lost only its last entries: it still reaches the earlier entry that the
    /// checkpoint names.
    TailLost,
    /// One store has lost more than a replay can make good, for this reason. Only a person can
    /// decide which store is right.
    Diverged(String),
}

/// What a person has to do about two stores that have diverged.
const REMEDY: &str = "The consumer has halted, because acting might be wrong. Put the right files \
     back, or run `payments reconcile --apply` and then the verb adopt-store of this service";

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

/// Compares them without a command. `has` says whether the stream has an entry that cannot have
/// been trimmed.
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
    // The checkpoint is within the stream, or the stream is empty. An empty stream was lost with
    // its whole store, and the other service checks that store when it opens it.
    if own.id <= state.delivered || state.is_empty() {
        return Agreement::Consistent;
    }
    // The group may be behind the checkpoint because it was lost and created again, while the
    // stream has lost nothing. So the entries of the stream decide.
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

/// The number of entries behind the checkpoint that no replay can bring back, because the stream
/// has trimmed them. An own store that lost only its tail is never that far behind, and gives
/// `None`.
fn lost_behind(state: &StreamState, own: Recorded) -> Option<u64> {
    let is_far = state.delivered.ms.saturating_sub(own.id.ms) > as_ms(REPLAY_WINDOW);
    let begins_later = state.first.is_none_or(|first| first > own.id);
    let lost = state
        .added
        .saturating_sub(state.length)
        .saturating_sub(own.count);
    // Entries that are only pending do not count, even if a person removed them from the stream.
    let acted_on = state.count().saturating_sub(own.count) > state.pending;
    (is_far && begins_later && acted_on && lost > 0).then_some(lost)
}
