//! A group of another service keeps entries in a stream, but not for ever.

use std::ops::Range;
use std::time::Duration;

use futures_util::future::join_all;
use shared::contract::event::OrderCompleted;
use shared::redis::Command;
use shared::stream::retention::{Limits, Trimmer};
use stack::redis::Overrides;
use stack::wait::eventually;

use crate::harness::{Log, STREAM, Stores, membership};
use crate::retention::{assert_trimmed_to, left};

/// The time between two entries of these tests.
const PAUSE_MS: u64 = 10 * 60 * 1_000;
const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
/// The limit of these tests: 1,008 entries.
pub(crate) const WEEK: Duration = Duration::from_hours(7 * 24);
pub(crate) const WEEK_OF_ENTRIES: usize = 1_008;
/// When the first entry was emitted.
const START_MS: u64 = 1_763_632_806_410;
/// An id of the year 2100.
const JUMPED_MS: u64 = 4_102_444_800_000;
const FOREIGN: &str = "foreign";
pub(crate) const WARNING: &str = "further behind than FOREIGN_GROUP_LIMIT";

/// Stores that do not wait for their disks: these tests write thousands of entries, and lose none.
pub(crate) async fn stores() -> Stores {
    let settings = vec![("appendfsync".to_owned(), "no".to_owned())];
    let overrides = Overrides {
        settings,
        ..Overrides::default()
    };
    Stores::start_with(overrides).await
}

fn trimmer(stores: &Stores) -> Trimmer {
    let limits = Limits {
        retention: Duration::ZERO,
        foreign_groups: WEEK,
    };
    Trimmer::new(stores.owner_of_stream(), limits, Duration::ZERO)
}

async fn trim(trimmer: &Trimmer) {
    for _ in 0..2 {
        trimmer.trim::<OrderCompleted>().await.unwrap();
    }
}

/// Adds entries with ids of these numbers times 10 minutes, and of `ahead_ms` more.
async fn add(stores: &Stores, numbers: Range<u64>, ahead_ms: u64) -> Vec<String> {
    add_to(STREAM, stores, numbers, ahead_ms).await
}

/// The same, in the stream of a partition.
pub(crate) async fn add_to(
    stream: &str,
    stores: &Stores,
    numbers: Range<u64>,
    ahead_ms: u64,
) -> Vec<String> {
    let ids = numbers.map(|number| format!("{}-1", START_MS + number * PAUSE_MS + ahead_ms));
    let ids: Vec<String> = ids.collect();
    for ids in ids.chunks(500) {
        let added = join_all(ids.iter().map(|id| {
            let add = Command::new("XADD").key(stream).arg(id.as_str());
            stores.emitter.run(add.args(["a", "b"]))
        }));
        added.await.into_iter().for_each(|id| drop(id.unwrap()));
    }
    ids
}

/// The own group is given all entries, and acknowledges them.
async fn settle(stores: &Stores, ids: &[String]) {
    stores.give("one", ids.len()).await;
    let member = membership("one");
    let acknowledged = member.acknowledge(&stores.emitter, ids.to_vec());
    acknowledged.await.unwrap();
}

/// Makes the foreign group behind this entry.
async fn place_foreign(stores: &Stores, id: &str) {
    let create = Command::new("XGROUP").arg("CREATE").key(STREAM);
    let created = stores.emitter.run(create.arg(FOREIGN).arg(id)).await;
    created.unwrap();
}

/// The foreign group is given these entries, and acknowledges all but the first `pending` of them.
async fn read_foreign(stores: &Stores, ids: &[String], pending: usize) {
    let read = Command::new("XREADGROUP").args(["GROUP", FOREIGN, "reader", "STREAMS"]);
    let read = read.key(STREAM).arg(">");
    stores.emitter.run(read).await.unwrap();
    let ack = Command::new("XACK").key(STREAM).arg(FOREIGN);
    let ack = ack.args(ids[pending..].iter().map(String::as_str));
    stores.emitter.run(ack).await.unwrap();
}

#[tokio::test]
async fn a_foreign_group_keeps_entries_up_to_its_limit_and_not_for_ever() {
    let stores = stores().await;
    let ids = add(&stores, 0..2_000, 0).await;
    settle(&stores, &ids).await;
    let first = 1_999 - WEEK_OF_ENTRIES;

    place_foreign(&stores, &ids[first + 200]).await;
    trim(&trimmer(&stores)).await;
    assert_trimmed_to(&left(&stores).await, &ids, first + 200);
}

#[tokio::test]
async fn trimming_goes_past_a_foreign_group_that_never_reads_or_never_acknowledges() {
    for pending in [None, Some(300)] {
        let stores = stores().await;
        let ids = add(&stores, 0..2_000, 0).await;
        settle(&stores, &ids).await;
        place_foreign(&stores, "0").await;
        if let Some(pending) = pending {
            read_foreign(&stores, &ids, pending).await;
        }
        trim(&trimmer(&stores)).await;
        assert_trimmed_to(&left(&stores).await, &ids, 1_999 - WEEK_OF_ENTRIES);
    }
}

#[tokio::test]
async fn the_own_group_is_heeded_however_far_it_is_behind() {
    let stores = stores().await;
    let ids = add(&stores, 0..2_000, 0).await;
    settle(&stores, &ids[..250]).await;
    place_foreign(&stores, "0").await;
    read_foreign(&stores, &ids, 0).await;
    trim(&trimmer(&stores)).await;
    assert_trimmed_to(&left(&stores).await, &ids, 249);
}

/// The clock of the store is a month ahead for a moment, and the own group acknowledges at once.
/// Another group is then a month behind, by the ids.
#[tokio::test]
async fn a_clock_that_jumps_takes_no_entry_from_a_foreign_group() {
    let stores = stores().await;
    let mut ids = add(&stores, 0..700, 0).await;
    ids.extend(add(&stores, 700..800, 31 * DAY_MS).await);
    settle(&stores, &ids).await;
    place_foreign(&stores, "0").await;
    trim(&trimmer(&stores)).await;
    assert_eq!(left(&stores).await, ids);
}

#[tokio::test]
async fn a_jump_takes_at_most_an_eighth_of_the_limit_however_far_it_goes() {
    let stores = stores().await;
    let mut ids = add(&stores, 0..1_500, 0).await;
    ids.extend(add(&stores, 1_500..1_501, 3_650 * DAY_MS).await);
    settle(&stores, &ids).await;
    place_foreign(&stores, "0").await;
    trim(&trimmer(&stores)).await;
    let first = 1_499 - WEEK_OF_ENTRIES / 8 * 7;
    assert_trimmed_to(&left(&stores).await, &ids, first);
}

/// The clock was decades ahead for a moment, and an entry was emitted. Each later id is that one and
/// a higher number after it, so the ids do not tell how far a group is behind.
#[tokio::test]
async fn a_foreign_group_is_not_heeded_for_ever_while_the_ids_stand_still() {
    let stores = stores().await;
    let log = Log::capture();
    let limits = Limits {
        retention: Duration::ZERO,
        foreign_groups: Duration::from_secs(2),
    };
    let trimmer = Trimmer::new(stores.owner_of_stream(), limits, Duration::ZERO);
    let ids: Vec<String> = (1..=500)
        .map(|number| format!("{JUMPED_MS}-{number}"))
        .collect();
    for id in &ids {
        let add = Command::new("XADD").key(STREAM).arg(id.as_str());
        stores.emitter.run(add.args(["a", "b"])).await.unwrap();
    }
    settle(&stores, &ids).await;
    place_foreign(&stores, &ids[0]).await;
    trim(&trimmer).await;
    assert_eq!(left(&stores).await, ids);
    eventually("the end of the limit", async || {
        trim(&trimmer).await;
        left(&stores).await.len() <= 100
    })
    .await;
    trim(&trimmer).await;
    assert_eq!(log.lines_with(WARNING).len(), 1);
}

/// A group goes on naming a pending entry that was trimmed. It is not behind because of that.
#[tokio::test]
async fn a_pending_entry_that_was_trimmed_does_not_hold_its_group_back() {
    let stores = stores().await;
    let log = Log::capture();
    let trimmer = trimmer(&stores);
    let ids = add(&stores, 0..2_000, 0).await;
    settle(&stores, &ids).await;
    place_foreign(&stores, "0").await;
    read_foreign(&stores, &ids, 1).await;
    trim(&trimmer).await;
    assert_eq!(log.lines_with(WARNING).len(), 1);

    // The group is up to date now, so the warning is forgotten, and nothing holds the stream back.
    trim(&trimmer).await;
    assert!(left(&stores).await.len() <= 100);
    let ids = add(&stores, 2_000..4_000, 0).await;
    settle(&stores, &ids).await;
    trim(&trimmer).await;
    assert_eq!(log.lines_with(WARNING).len(), 2);
}

#[tokio::test]
async fn the_log_warns_once_of_each_group_that_loses_entries_until_it_catches_up() {
    let stores = stores().await;
    let log = Log::capture();
    let trimmer = trimmer(&stores);
    let mut ids = add(&stores, 0..2_000, 0).await;
    settle(&stores, &ids).await;
    place_foreign(&stores, &ids[99]).await;
    trim(&trimmer).await;
    let warnings = log.lines_with(WARNING);
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    for part in [
        "WARN",
        "stream=\"order_completed\"",
        "group=\"foreign\"",
        "behind=13days 4h 30m",
        &format!("lost_from={}", ids[100]),
        &format!("kept_from={}", left(&stores).await[0]),
    ] {
        assert!(warnings[0].contains(part), "{part}: {}", warnings[0]);
    }

    // It goes on losing entries.
    ids = add(&stores, 2_000..2_500, 0).await;
    settle(&stores, &ids).await;
    let before = left(&stores).await.len();
    trim(&trimmer).await;
    assert!(left(&stores).await.len() < before);
    assert_eq!(log.lines_with(WARNING).len(), 1);

    // It catches up, and is left behind again.
    let set = Command::new("XGROUP").arg("SETID").key(STREAM);
    let set = set.arg(FOREIGN).arg("$");
    stores.emitter.run(set).await.unwrap();
    trim(&trimmer).await;
    ids = add(&stores, 2_500..4_500, 0).await;
    settle(&stores, &ids).await;
    trim(&trimmer).await;
    assert_eq!(log.lines_with(WARNING).len(), 2);
}

/// A group that lost a pending entry goes on naming it.
#[tokio::test]
async fn a_group_that_loses_no_further_entry_is_not_warned_of_again() {
    let stores = stores().await;
    let log = Log::capture();
    let ids = add(&stores, 0..2_000, 0).await;
    settle(&stores, &ids).await;
    place_foreign(&stores, "0").await;
    read_foreign(&stores, &ids, 1).await;
    trim(&trimmer(&stores)).await;
    assert_eq!(log.lines_with(WARNING).len(), 1);

    let ids = add(&stores, 2_000..2_500, 0).await;
    settle(&stores, &ids).await;
    read_foreign(&stores, &ids, 0).await;
    let before = left(&stores).await.len();
    // A new process remembers no warning.
    trim(&trimmer(&stores)).await;
    assert!(left(&stores).await.len() < before);
    assert_eq!(log.lines_with(WARNING).len(), 1);
}
