//! Ids of stream entries, in the order of the stream.

use std::fmt;
use std::str::FromStr;

/// The id of a stream entry: `<milliseconds>-<sequence>`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EntryId {
    /// Milliseconds since the epoch, on the clock of the store.
    pub ms: u64,
    /// The number of the entry within that millisecond, from 0 on.
    pub sequence: u64,
}

/// The text is not the id of a stream entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("expected the id of a stream entry such as 1763632806410-0")]
pub struct InvalidEntryId;

impl EntryId {
    /// The first id of a millisecond.
    pub fn first_of(ms: u64) -> Self {
        Self { ms, sequence: 0 }
    }

    /// The next id in the order of the stream; `None` after the largest possible id.
    pub fn next(self) -> Option<Self> {
        match self.sequence.checked_add(1) {
            Some(sequence) => Some(Self { sequence, ..self }),
            None => self.ms.checked_add(1).map(Self::first_of),
        }
    }
}

impl FromStr for EntryId {
    type Err = InvalidEntryId;

    fn from_str(text: &str) -> Result<Self, InvalidEntryId> {
        // Only the notation that Redis writes: no sign, and no leading zero.
        let number = |text: &str| {
            let canonical = text == "0" || !text.starts_with(['0', '+']);
            if canonical {
                text.parse::<u64>().ok()
            } else {
                None
            }
        };
        let parts = text.split_once('-').and_then(|(ms, sequence)| {
            Some(Self {
                ms: number(ms)?,
                sequence: number(sequence)?,
            })
        });
        parts.ok_or(InvalidEntryId)
    }
}

impl fmt::Display for EntryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.ms, self.sequence)
    }
}

/// Numbers as a store may answer them: small, arbitrary, and near the limits of arithmetic.
#[cfg(test)]
pub(crate) fn extremes() -> impl proptest::strategy::Strategy<Value = u64> {
    const EXACT: u64 = 1 << 53;
    proptest::prop_oneof![
        0..4_u64,
        proptest::num::u64::ANY,
        EXACT - 2..=EXACT + 2,
        u64::MAX - 600_001..=u64::MAX,
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Ids as Redis makes them, and as a damaged or hostile store may answer them.
    fn ids() -> impl Strategy<Value = EntryId> {
        (extremes(), extremes()).prop_map(|(ms, sequence)| EntryId { ms, sequence })
    }

    proptest! {
        #[test]
        fn each_id_reads_back_and_has_one_behind_it_unless_it_is_the_last(id in ids(), other in ids()) {
            prop_assert_eq!(id.to_string().parse(), Ok(id));
            let last = EntryId { ms: u64::MAX, sequence: u64::MAX };
            prop_assert_eq!(id.next().is_none(), id == last);
            let between = |next| id < next && (other <= id || other >= next);
            prop_assert!(id.next().is_none_or(between));
        }
    }

    #[test]
    fn behind_each_id_is_the_next_one_and_behind_the_last_is_none() {
        let id = |ms, sequence| EntryId { ms, sequence };
        assert_eq!(id(7, 1).next(), Some(id(7, 2)));
        assert_eq!(id(7, u64::MAX).next(), Some(id(8, 0)));
        assert_eq!(id(u64::MAX, u64::MAX).next(), None);
    }

    #[test]
    fn ids_sort_like_the_entries_of_a_stream() {
        let id = |text: &str| text.parse::<EntryId>().unwrap();
        assert!(id("9-10") < id("10-0") && id("10-2") < id("10-10"));
        assert_eq!(id("1763632806410-7").to_string(), "1763632806410-7");
        for text in [
            "",
            "1",
            "1-",
            "-1",
            "+1-0",
            "01-0",
            "1-0-0",
            "a-b",
            "18446744073709551616-0",
        ] {
            assert_eq!(text.parse::<EntryId>(), Err(InvalidEntryId), "{text}");
        }
    }
}
