use proptest::prelude::*;

use super::*;

/// An entry of a stream: its time in milliseconds, and the number of its changes. A malformed entry
/// has no changes.
type Drawn = (u64, usize);

fn entry(number: usize, (ms, changes): Drawn) -> Entry {
    let ids = vec!["id"; changes].join(" ");
    let mut fields = vec![("ids".into(), ids.into())];
    if changes > 0 {
        fields.push(("kind".into(), "order.paid".into()));
    }
    Entry {
        // The number keeps the entries of one time in order. No stream has an entry 0-0.
        id: format!("{ms}-{}", number + 1),
        fields: Some(fields),
        cut: None,
    }
}

/// The streams of some partitions, each in the order of time.
fn streams(drawn: Vec<Vec<Drawn>>) -> BTreeMap<Partition, Vec<Entry>> {
    let streams = drawn.into_iter().zip(0..).map(|(mut entries, index)| {
        entries.sort_unstable();
        let entries = entries.into_iter().enumerate();
        let entries = entries.map(|(number, drawn)| entry(number, drawn));
        (Partition::at(Some(index)), entries.collect())
    });
    streams.collect()
}

/// What `XRANGE` answers for a position.
fn range(entries: &[Entry], after: FeedPosition) -> Vec<Entry> {
    let ahead = entries
        .iter()
        .filter(|entry| behind(entry).unwrap() > after);
    ahead.take(usize::from(ENTRIES)).cloned().collect()
}

fn page(streams: &BTreeMap<Partition, Vec<Entry>>, positions: &mut FeedPositions) -> MissedPage {
    let found = streams.iter().map(|(&partition, entries)| {
        let after = positions[&partition];
        Found::parse(partition, after, &range(entries, after))
    });
    let found = found.collect();
    merge(found, positions, Lag::default())
}

/// Some entries with few changes, or many entries with many changes.
fn stream() -> impl Strategy<Value = Vec<Drawn>> {
    let times = || prop_oneof![0..100_000_u64, 0..300_u64];
    prop_oneof![
        prop::collection::vec((times(), 0..3_usize), 0..40),
        prop::collection::vec((times(), 0..17_usize), 0..150),
        prop::collection::vec((times(), Just(0)), 0..100),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// A client may be cut off behind every event. The other partitions may not have anything then
    /// that it was not sent and that lies before the mark: from 5 s before the mark on, it is sent
    /// again.
    #[test]
    fn every_change_is_sent_once_and_no_mark_lies_behind_a_change_that_is_still_to_be_sent(
        drawn in prop::collection::vec(stream(), 1..5),
    ) {
        let streams = streams(drawn);
        let begin = streams.keys().map(|&partition| (partition, FeedPosition::default()));
        let mut positions: FeedPositions = begin.collect();
        let (mut sent, mut has_more) = (Vec::new(), true);
        while has_more {
            let page = page(&streams, &mut positions);
            prop_assert!(page.count <= PAGE && page.changes.len() <= page.count);
            prop_assert!(page.count > 0 || !page.has_more, "no page without progress");
            sent.extend(page.changes);
            has_more = page.has_more;
        }
        let all = streams.iter().flat_map(|(&partition, entries)| {
            entries.iter().flat_map(move |entry| parse_changes(partition, entry))
        });
        let mut all: Vec<Change> = all.collect();
        all.sort_by_key(|change| (change.mark.position, change.mark.partition));
        prop_assert_eq!(&sent, &all);
        // The first change of each partition that is still to be sent, from the end backwards.
        let mut to_come = FeedPositions::new();
        for Change { mark, .. } in sent.iter().rev() {
            for (&partition, &first) in &to_come {
                prop_assert!(first > mark.within(partition), "{:?} is lost after {}", first, mark);
            }
            to_come.insert(mark.partition, mark.position);
        }
    }
}

#[test]
fn a_dense_partition_is_sent_before_later_changes_of_another() {
    let dense = (0..1_000).map(|ms| (ms, 1)).collect();
    let sparse = (0..10).map(|second| (second * 10_000, 1)).collect();
    let streams = streams(vec![dense, sparse]);
    let mut positions: FeedPositions = streams
        .keys()
        .map(|&partition| (partition, FeedPosition::default()))
        .collect();
    let page = page(&streams, &mut positions);
    assert!(page.has_more);
    let last = page.changes.last().unwrap();
    assert_eq!(last.mark.to_string(), "31-32.0", "the end of the full read");
}

#[test]
fn pages_of_malformed_entries_are_passed_over() {
    let streams = streams(vec![
        (0..70).map(|ms| (ms, usize::from(ms == 69))).collect(),
    ]);
    let mut positions = FeedPositions::from([(Partition::at(Some(0)), FeedPosition::default())]);
    let mut next = || page(&streams, &mut positions);
    for _ in 0..2 {
        let empty = next();
        assert_eq!(
            (empty.changes.len(), empty.count),
            (0, usize::from(ENTRIES))
        );
        assert!(empty.has_more);
    }
    let last = next();
    assert_eq!(
        (last.changes.len(), last.count, last.has_more),
        (1, 6, false)
    );
}
