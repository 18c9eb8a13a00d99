//! How many entries one command reads.
//!
//! Redis limits a read only by the number of entries, and sends each entry whole. So the number
//! follows the size of the entries that were found. It begins small, doubles while entries are
//! small, and is 1 behind a large entry.

use crate::redis::Entry;

/// How many entries the next command reads.
#[derive(Debug)]
pub struct Pace(usize);

/// The most entries of a read after one that found nothing, because the next entry may be large.
const FIRST: usize = 8;
/// The most entries of one read.
const MOST: usize = 500;
/// A read of several commands ends after the command that takes it beyond this many bytes.
pub(super) const READ_BYTES: usize = 4 * 1024 * 1024;

impl Pace {
    /// Begins with one entry, because the first entry may have killed its reader before.
    pub fn cautious() -> Self {
        Self(1)
    }

    /// How many the next command reads, `room` at most.
    pub(crate) fn count(&self, room: usize) -> usize {
        self.0.min(room).max(1)
    }

    /// Learns from the entries that a read of up to `count` entries found.
    pub(crate) fn learn(&mut self, count: usize, found: &[Entry]) {
        self.0 = if found.is_empty() {
            // No faster than before: the next entry may be as large as the last one.
            self.0.min(FIRST)
        } else if found.iter().any(Entry::is_large) {
            1
        } else if found.len() >= count {
            self.0.max(count.saturating_mul(2)).min(MOST)
        } else {
            self.0
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redis::Cut;

    fn entries(count: usize) -> Vec<Entry> {
        vec![Entry::default(); count]
    }

    fn large() -> Entry {
        Entry {
            cut: Some(Cut {
                bytes: 2_000_000,
                digest: String::new(),
            }),
            ..Entry::default()
        }
    }

    #[test]
    fn reads_grow_while_entries_are_small_and_are_of_one_behind_a_large_one() {
        let mut pace = Pace::cautious();
        let mut counts = Vec::new();
        for _ in 0..10 {
            let count = pace.count(MOST);
            counts.push(count);
            pace.learn(count, &entries(count));
        }
        assert_eq!(counts, [1, 2, 4, 8, 16, 32, 64, 128, 256, 500]);
        pace.learn(500, &entries(3));
        assert_eq!(pace.count(100), 100, "fewer were there, not larger ones");
        pace.learn(100, &[large(), Entry::default()]);
        assert_eq!(pace.count(MOST), 1);
        pace.learn(1, &[]);
        assert_eq!(
            pace.count(MOST),
            1,
            "a pause says nothing about the next entry"
        );
        for count in [1, 2, 4, 8, 16] {
            pace.learn(count, &entries(count));
        }
        pace.learn(32, &[]);
        assert_eq!((pace.count(MOST), pace.count(0)), (FIRST, 1));
    }
}
