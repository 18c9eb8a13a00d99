//! How far the changes of each partition were handed on to the clients of a process.

use std::collections::BTreeMap;
use std::time::Instant;

use crate::live::position::{FeedPosition, Lag, Mark, USUAL_LAG};
use crate::live::tail::FEED_BLOCK;
use crate::store::partition::Partition;

/// How far each partition was handed on. A partition that is not read is missing.
#[derive(Debug, Default)]
pub(super) struct HandedOn(BTreeMap<Partition, Reached>);

#[derive(Clone, Copy, Debug)]
struct Reached {
    /// The last change that was handed on.
    position: FeedPosition,
    /// All changes from before this moment were handed on.
    until: Instant,
}

/// A partition without changes is read this often, so its lag has to be a usual one.
const _: () = assert!(FEED_BLOCK.as_millis() < USUAL_LAG.as_millis());

impl HandedOn {
    /// The last change of a partition that was handed on; `None` if the partition is not read.
    pub(super) fn position(&self, partition: Partition) -> Option<FeedPosition> {
        self.0.get(&partition).map(|reached| reached.position)
    }

    /// Notes that a partition was handed on up to `position`. These are all its changes from before
    /// `until`.
    pub(super) fn reach(&mut self, partition: Partition, position: FeedPosition, until: Instant) {
        self.0.insert(partition, Reached { position, until });
    }

    /// The same for a read that did not take all changes which were there.
    pub(super) fn reach_partly(&mut self, partition: Partition, position: FeedPosition) {
        if let Some(reached) = self.0.get_mut(&partition) {
            reached.position = position;
        }
    }

    /// Notes that a partition is not read any more.
    pub(super) fn forget(&mut self, partition: Partition) {
        self.0.remove(&partition);
    }

    /// How far the reading of the partitions beside `partition` is behind.
    pub(super) fn lag_beside(&self, partition: Partition, now: Instant) -> Lag {
        let others = self.0.iter().filter(|(other, _)| **other != partition);
        let oldest = others.map(|(_, reached)| reached.until).min();
        oldest.map_or(Lag::default(), |until| {
            Lag::of(now.saturating_duration_since(until))
        })
    }

    /// The mark of the newest change that was handed on. `None` until all `partitions` are read.
    pub(super) fn newest(&self, partitions: usize, now: Instant) -> Option<Mark> {
        let newest = self.0.iter().max_by_key(|(_, reached)| reached.position);
        let (&partition, reached) = newest.filter(|_| self.0.len() == partitions)?;
        Some(Mark {
            partition,
            position: reached.position,
            lag: self.lag_beside(partition, now),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_mark_tells_how_long_another_partition_was_not_read() {
        let [here, there] = [0, 1].map(|index| Partition::at(Some(index)));
        let (mut handed_on, start) = (HandedOn::default(), Instant::now());
        let late = start + Duration::from_secs(10);
        let [first, second]: [Mark; 2] = ["7-0", "9-0"].map(|text| text.parse().unwrap());
        handed_on.reach(here, second.position, start);
        assert_eq!(
            handed_on.lag_beside(here, late),
            Lag::default(),
            "no other is read"
        );
        assert_eq!(handed_on.newest(2, start), None);
        handed_on.reach(there, first.position, start);
        assert_eq!(
            handed_on.newest(2, start).unwrap().to_string(),
            "9-0.0",
            "both are read in time"
        );
        handed_on.reach(here, second.position, late);
        assert_eq!(handed_on.newest(2, late).unwrap().to_string(), "9-0.0~11");
        handed_on.reach_partly(there, first.position);
        assert_eq!(handed_on.lag_beside(here, late), Lag::of(late - start));
        handed_on.reach(there, first.position, late);
        assert_eq!(handed_on.lag_beside(here, late), Lag::default());
        handed_on.forget(there);
        assert_eq!(handed_on.position(there), None);
    }
}
