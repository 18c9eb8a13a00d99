//! The oldest dead letters leave the store where there are too many.

use super::{Bounds, DEAD_LETTER_IDS, DEAD_LETTERS, DeadLetters, letter};
use crate::cursor::{as_ms, read_id};
use crate::dead_letter::census::Census;
use crate::entry_id::EntryId;
use crate::redis::{Command, Entry, RedisError};

/// Dead letters that leave with one step.
const PAGE: u64 = 100;
/// Steps behind each batch that is set aside: more leave than come, so that a smaller bound is
/// reached in the end.
const STEPS: u64 = 20;
/// Characters of a dead letter in one line of the log. Longer lines are cut there.
const PIECE: usize = 3 * 1024;

impl DeadLetters<'_> {
    /// Moves the oldest dead letters out of the store and into the log, until the others are within
    /// the bounds. A crash in between leaves some of them in the log twice.
    pub(super) async fn keep_within(&self, bounds: &Bounds) -> Result<(), RedisError> {
        let mut moved = 0;
        for _ in 0..STEPS {
            let census = Census::of(self.store, self.partition).await?;
            let excess = self.excess(&census, bounds).await?;
            // By their own time alone: no clock that was set wrong can make them old.
            let oldest = census.newest.ms.saturating_sub(as_ms(bounds.age));
            let page = Command::new("XRANGE").key(self.partition.key(DEAD_LETTERS));
            let last = if excess > 0 { "+".to_owned() } else { format!("({oldest}-0") };
            if excess == 0 && census.oldest.ms >= oldest {
                break;
            }
            let count = if excess > 0 { excess.min(PAGE) } else { PAGE };
            let page = page.arg("-").arg(last).arg("COUNT").arg(as_count(count));
            let page = self.store.run(page).await?.entries()?;
            if page.is_empty() {
                break;
            }
            moved += page.len();
            self.move_out(&page).await?;
        }
        if moved > 0 {
            tracing::warn!(moved, "dead letters beyond the bounds are in the log now");
        }
        Ok(())
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
    async fn move_out(&self, page: &[Entry]) -> Result<(), RedisError> {
        let mut names = Vec::with_capacity(page.len());
        let mut last = EntryId::default();
        for letter in page {
            tell(letter);
            names.extend(letter::name_of(letter));
            last = last.max(read_id(&letter.id)?);
        }
        if !names.is_empty() {
            let forget = Command::new("HDEL").key(self.partition.key(DEAD_LETTER_IDS)).args(names);
            self.store.run(forget).await?;
        }
        let Some(first) = last.next() else { return Ok(()) };
        let trim = Command::new("XTRIM").key(self.partition.key(DEAD_LETTERS));
        self.store.run(trim.args(["MINID", "="]).arg(first.to_string())).await.map(drop)
    }
}

/// The whole dead letter in as many lines as it takes.
fn tell(letter: &Entry) {
    let fields = letter::as_json(letter.fields.as_ref().unwrap_or(&Vec::new())).to_string();
    let pieces = pieces(&fields);
    for (piece, fields) in (1..).zip(&pieces) {
        let (dead_letter, pieces) = (&letter.id, pieces.len());
        tracing::warn!(dead_letter, piece, pieces, fields, "a dead letter leaves the store");
    }
}

fn pieces(mut text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    while !text.is_empty() {
        let (piece, rest) = text.split_at(text.floor_char_boundary(PIECE));
        pieces.push(piece);
        text = rest;
    }
    pieces
}

fn as_count(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_of_a_text_are_the_text() {
        let text = "é\"\\\n".repeat(5_000);
        let pieces = pieces(&text);
        assert_eq!(pieces.concat(), text);
        assert!(pieces.iter().all(|piece| (1..=PIECE).contains(&piece.len())));
    }
}
