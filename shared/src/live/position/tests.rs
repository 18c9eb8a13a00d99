use proptest::prelude::*;

use super::*;
use crate::contract::entry_id::extremes;

fn history(first: Option<u64>, last: u64, whole: bool) -> History {
    History {
        first: first.map(EntryId::first_of),
        last: EntryId::first_of(last),
        whole,
    }
}

#[test]
fn what_was_trimmed_or_never_was_cannot_be_told() {
    let at = |ms| FeedPosition::behind(EntryId::first_of(ms));
    assert!(history(Some(3), 9, true).is_complete_since(at(1)));
    assert!(history(Some(3), 9, false).is_complete_since(at(3)));
    assert!(!history(Some(3), 9, false).is_complete_since(at(2)));
    assert!(!history(None, 9, false).is_complete_since(at(9)));
    assert!(
        !history(Some(3), 9, true).is_complete_since(at(10)),
        "another life"
    );
    assert!(History::empty().is_complete_since(at(0)));
}

#[test]
fn the_changes_of_an_entry_follow_each_other_and_end_with_the_entry() {
    let fields = [("kind", "order.paid"), ("ids", "a b c")];
    let fields = fields.map(|(name, value)| (name.into(), value.into()));
    let entry = Entry {
        id: "7-0".to_owned(),
        fields: Some(fields.into()),
        cut: None,
    };
    let changes = parse_changes(Partition::at(Some(3)), &entry);
    let told: Vec<_> = changes
        .iter()
        .map(|change| (change.mark.to_string(), change.id.as_str()))
        .collect();
    let expected = [("7-0/1.3", "a"), ("7-0/2.3", "b"), ("7-0.3", "c")];
    assert_eq!(told, expected.map(|(mark, id)| (mark.to_owned(), id)));
    assert!(changes.is_sorted_by(|a, b| a.mark.position < b.mark.position));
    // In the middle of an entry, the rest of it is still to come.
    assert_eq!(changes[1].mark.position.range_start(), "7-0");
    assert_eq!(changes[2].mark.position.range_start(), "(7-0");
    assert!(history(Some(7), 7, false).is_complete_since(changes[1].mark.position));
}

#[test]
fn a_client_goes_on_earlier_in_partitions_that_were_read_late() {
    let after = |lag: Duration| {
        let mark: Mark = "60000-0.3".parse().unwrap();
        let mark = Mark {
            lag: Lag::of(lag),
            ..mark
        };
        mark.within(Partition::at(Some(1))).entry.ms
    };
    assert_eq!(after(Duration::ZERO), 55_000);
    assert_eq!(after(USUAL_LAG), 55_000, "the overlap is longer");
    assert_eq!(after(USUAL_LAG + Duration::from_millis(1)), 52_000);
    assert_eq!(after(Duration::from_millis(9_500)), 45_000);
    assert_eq!(after(Duration::MAX), 0, "all that the store still has");
}

proptest! {
    #[test]
    fn a_position_of_extreme_numbers_reads_back_and_is_not_ahead_in_another_partition(
        (ms, sequence) in (extremes(), extremes()), change: u16, index in proptest::option::of(0..99_u16),
        lag: u32,
    ) {
        let position = FeedPosition { entry: EntryId { ms, sequence }, change };
        let mark = Mark { partition: Partition::at(index), position, lag: Lag(lag) };
        prop_assert_eq!(mark.to_string().parse(), Ok(mark));
        prop_assert_eq!(mark.within(mark.partition), position);
        prop_assert!(mark.within(Partition::at(Some(99))).entry <= position.entry);
        prop_assert!(history(None, ms, false).end() >= FeedPosition::behind(EntryId::first_of(ms)));
    }
}

#[test]
fn a_mark_reads_back_what_it_shows() {
    for text in ["1763632806410-0", "5-7.3", "5-7/2", "5-7/2.3", "5-7/2.3~12"] {
        assert_eq!(text.parse::<Mark>().unwrap().to_string(), text);
    }
    for text in [
        "",
        "5",
        "5-7.",
        "5-7.x",
        "5-7.3.1",
        ".3",
        "5-7/",
        "5-7.3/2",
        "5-7/2/2",
        "5-7.3~",
        "5-7.3~x",
        "5-7.3~-1",
        "5-7~1.3",
        "5-7.3~1~1",
    ] {
        assert!(text.parse::<Mark>().is_err(), "{text}");
    }
}
