//! The oldest dead letters leave the store where there are too many. The log is then the only copy, so
//! none leaves before its lines are written.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::{Bounds, DEAD_LETTER_IDS, DEAD_LETTERS, DeadLetters, letter};
use crate::cursor::{as_ms, read_id};
use crate::dead_letter::census::Census;
use crate::redis::{Command, Entry, RedisError};
use crate::telemetry::{ONLY_COPY, confirmed};

/// Dead letters that leave with one step.
const PAGE: u64 = 100;
/// Steps behind each batch that is set aside: more leave than come, so that a smaller bound is
/// reached in the end.
const STEPS: u64 = 20;
/// Bytes of dead letters in one line of the log, as the line shows them. Longer lines are cut there.
const PIECE: usize = 7 * 1024;
/// Bytes of dead letters that are handed to the log before it has to be written. Its queue takes four
/// times as many.
const CONFIRMED_BYTES: usize = 256 * 1024;
/// How long the log may take to be written.
const CONFIRM_LIMIT: Duration = Duration::from_millis(500);
/// Pause after the log was not written in time.
const PAUSE: Duration = Duration::from_secs(10);

/// Keeps dead letters within bounds, as far as the log takes those beyond them.
#[derive(Debug)]
pub(crate) struct Keeper {
    bounds: Bounds,
    /// The log took no more, and is not asked again before that.
    not_before: Mutex<Option<Instant>>,
}

impl Keeper {
    pub(crate) fn new(bounds: Bounds) -> Self {
        Self { bounds, not_before: Mutex::default() }
    }

    fn pauses(&self) -> bool {
        let not_before = self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        not_before.is_some_and(|not_before| Instant::now() < not_before)
    }

    fn pause(&self) {
        let mut not_before = self.not_before.lock().unwrap_or_else(PoisonError::into_inner);
        *not_before = Some(Instant::now() + PAUSE);
    }
}

impl DeadLetters<'_> {
    /// Moves the oldest dead letters out of the store and into the log, until the others are within
    /// the bounds. A crash in between leaves some of them in the log twice. Those that the log does not
    /// take stay in the store, however many there are.
    pub(super) async fn keep_within(&self, keeper: &Keeper) -> Result<(), RedisError> {
        if keeper.pauses() {
            return Ok(());
        }
        let mut moved = 0;
        for _ in 0..STEPS {
            let page = self.read_excess(&keeper.bounds).await?;
            if page.is_empty() {
                break;
            }
            let told = tell(&page).await;
            moved += told;
            self.remove(&page[..told]).await?;
            if told < page.len() {
                keeper.pause();
                tracing::error!(
                    "dead letters beyond the bounds stay in the store: the log was not written within \
                     {CONFIRM_LIMIT:?}, or RUST_LOG drops the warnings of {ONLY_COPY}"
                );
                break;
            }
        }
        if moved > 0 {
            tracing::warn!(moved, "dead letters beyond the bounds are in the log now");
        }
        Ok(())
    }

    /// The oldest dead letters beyond the bounds.
    async fn read_excess(&self, bounds: &Bounds) -> Result<Vec<Entry>, RedisError> {
        let census = Census::of(self.store, self.partition).await?;
        let excess = self.excess(&census, bounds).await?;
        // By their own time alone: no clock that was set wrong can make them old.
        let oldest = census.newest.ms.saturating_sub(as_ms(bounds.age));
        if excess == 0 && census.oldest.ms >= oldest {
            return Ok(Vec::new());
        }
        let (last, count) = match excess {
            0 => (format!("({oldest}-0"), PAGE),
            excess => ("+".to_owned(), excess.min(PAGE)),
        };
        let page = Command::new("XRANGE").key(self.partition.key(DEAD_LETTERS)).arg("-").arg(last);
        let page = page.arg("COUNT").arg(i64::try_from(count).unwrap_or(i64::MAX));
        Ok(self.store.run(page).await?.entries()?)
    }

    /// How many dead letters are too many.
    async fn excess(&self, census: &Census, bounds: &Bounds) -> Result<u64, RedisError> {
        let by_count = census.count.saturating_sub(bounds.count);
        let usage = Command::new("MEMORY").arg("USAGE").key(self.partition.key(DEAD_LETTERS));
        let bytes = match self.store.run(usage.as_attempt()).await {
            Ok(bytes) if bytes.is_null() => 0,
            Ok(bytes) => bytes.unsigned()?,
            // Users of an older build may not ask. Then only the number counts.
            Err(error) if error.is_forbidden() => 0,
            Err(error) => return Err(error),
        };
        let share = u128::from(census.count) * u128::from(bytes.saturating_sub(bounds.bytes));
        let by_bytes = u64::try_from(share.div_ceil(u128::from(bytes.max(1)))).unwrap_or(u64::MAX);
        Ok(by_count.max(by_bytes))
    }

    /// The names go before the dead letters: a crash in between must not leave names for ever.
    async fn remove(&self, page: &[Entry]) -> Result<(), RedisError> {
        let Some(last) = page.last() else { return Ok(()) };
        let names: Vec<String> = page.iter().filter_map(letter::name_of).collect();
        if !names.is_empty() {
            let forget = Command::new("HDEL").key(self.partition.key(DEAD_LETTER_IDS)).args(names);
            self.store.run(forget).await?;
        }
        let Some(first) = read_id(&last.id)?.next() else { return Ok(()) };
        let trim = Command::new("XTRIM").key(self.partition.key(DEAD_LETTERS));
        self.store.run(trim.args(["MINID", "="]).arg(first.to_string())).await.map(drop)
    }
}

/// Tells dead letters to the log, oldest first, and answers how many of them are written there.
async fn tell(page: &[Entry]) -> usize {
    let mut told = 0;
    while told < page.len() {
        let (mut lines, mut bytes, mut count) = (Vec::new(), 0, 0);
        for letter in &page[told..] {
            let fields = letter::as_json(letter.fields.as_deref().unwrap_or_default()).to_string();
            bytes += shown_bytes(&fields);
            if count > 0 && bytes > CONFIRMED_BYTES {
                break;
            }
            lines.push((letter, fields));
            count += 1;
        }
        let say = || lines.iter().for_each(|(letter, fields)| say(letter, fields));
        if !confirmed(CONFIRM_LIMIT, say).await {
            break;
        }
        told += count;
    }
    told
}

/// The whole dead letter in as many lines as it takes.
fn say(letter: &Entry, fields: &str) {
    let pieces = pieces(fields);
    for (piece, fields) in (1..).zip(&pieces) {
        let (dead_letter, pieces) = (&letter.id, pieces.len());
        tracing::warn!(
            target: ONLY_COPY, dead_letter, piece, pieces, fields,
            "a dead letter leaves the store"
        );
    }
}

/// Parts of a text of which none takes more than [`PIECE`] bytes of a line.
fn pieces(text: &str) -> Vec<&str> {
    let (mut pieces, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (at, character) in text.char_indices() {
        let more = shown_char_bytes(character);
        if bytes + more > PIECE {
            pieces.push(&text[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += more;
    }
    pieces.push(&text[start..]);
    pieces
}

fn shown_bytes(text: &str) -> usize {
    text.chars().map(shown_char_bytes).sum()
}

/// Bytes that a character takes in a line of either format: quotes, backslashes and what cannot be
/// printed are escaped.
fn shown_char_bytes(character: char) -> usize {
    character.escape_debug().len().max(character.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_of_a_text_are_the_text_and_short_however_they_are_escaped() {
        for text in ["", "x", "\"\\é\n", "\u{7f}", "\u{80}", "\u{300}", "\u{200b}"] {
            let text = text.repeat(5_000);
            let pieces = pieces(&text);
            assert_eq!(pieces.concat(), text);
            assert!(pieces.iter().all(|piece| format!("{piece:?}").len() <= PIECE + 2));
        }
    }
}
