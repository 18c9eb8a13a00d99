use super::*;

fn matches(expected: &str, found: &str) -> Outcome {
    let rows = vec![
        ("3-0".to_owned(), Vec::new()),
        ("5-0".to_owned(), Vec::new()),
    ];
    let store = Snapshot::from([("s".to_owned(), Kept::Stream(rows))]);
    Matcher::new(&mut Instants::default(), &store).text(expected, found)
}

#[test]
fn a_step_has_one_time_wherever_it_stands() {
    let twice = format!("{} {}", at(1, 0), at(1, 50));
    assert_eq!(matches(&twice, "100 150"), Ok(()));
    assert!(matches(&twice, "100 151").is_err());
    let dated = format!("{}/{}", at(1, 0), date(1));
    assert_eq!(
        matches(&dated, "1795168800123/2026-11-20T10:00:00.123Z"),
        Ok(())
    );
    assert!(matches(&dated, "1795168800124/2026-11-20T10:00:00.123Z").is_err());
    let waits = format!("{} {} {}", at(1, 0), until(1, 50, 2), at(2, 0));
    assert_eq!(matches(&waits, "100 30 120"), Ok(()));
    assert!(matches(&waits, "100 30 121").is_err());
}

#[test]
fn an_entry_that_is_named_is_that_entry() {
    assert_eq!(matches(&entry("s", 1), "5-0"), Ok(()));
    assert!(matches(&entry("s", 1), "3-0").is_err());
    assert!(matches(&entry("s", 2), "5-0").is_err());
}

#[test]
fn everything_else_stands_as_it_is_written() {
    assert_eq!(matches("a", "a"), Ok(()));
    for (expected, found) in [("a", "b"), ("a", "ab"), ("ab", "a"), ("x⟦id⟧y", "x1-1z")] {
        assert!(matches(expected, found).is_err(), "{expected} {found}");
    }
}

#[test]
fn steps_happen_in_their_order_and_within_the_history() {
    let instants = Instants(BTreeMap::from([
        (1, 1_000),
        (2, 1_000),
        (5, 999),
        (6, 1_200),
    ]));
    assert_eq!(instants.check(1_000, 1_200), Ok(()));
    assert!(instants.check(1_200, 1_300).is_err() && instants.check(900, 1_099).is_err());
    assert!(
        Instants(BTreeMap::from([(1, 1_000), (2, 899)]))
            .check(0, 9_999)
            .is_err()
    );
}
