//! Trimming a stream keeps the entries that a reader may still need.

use std::iter::repeat_n;
use std::time::Duration;

use shared::contract::event::OrderCompleted;
use shared::redis::Command;
use shared::stream::retention::{Limits, Trimmer};

use crate::harness::{GROUP, LIMIT, NEVER, STREAM, Stores, entries, membership, partition};
use crate::script::{DONE, Script};

/// A trimmer that takes an entry for settled at once, and heeds foreign groups for an hour.
fn trimmer(stores: &Stores, retention: Duration) -> Trimmer {
    let limits = Limits {
        retention,
        foreign_groups: NEVER,
    };
    Trimmer::new(stores.owner_of_stream(), limits, Duration::ZERO)
}

async fn trim_all(stores: &Stores, retention: Duration) -> Vec<String> {
    let trimmer = trimmer(stores, retention);
    for _ in 0..2 {
        trimmer.trim::<OrderCompleted>().await.unwrap();
    }
    left(stores).await
}

/// The ids of the entries that the stream still has.
pub(crate) async fn left(stores: &Stores) -> Vec<String> {
    entries(&stores.emitter, STREAM)
        .await
        .into_iter()
        .map(|entry| entry.id)
        .collect()
}

/// Asserts that everything from `needed` on is there. Trimming works on nodes of 100 entries, so up
/// to 100 older entries may be left.
pub(crate) fn assert_trimmed_to(left: &[String], ids: &[String], needed: usize) {
    assert!(
        left.ends_with(&ids[needed..]),
        "an entry that is needed is gone"
    );
    let since = milliseconds(&ids[needed.min(ids.len() - 1)]);
    let spared = left.iter().filter(|id| milliseconds(id) < since).count();
    assert!(
        spared <= 100,
        "{spared} entries that no reader needs are left"
    );
}

fn milliseconds(id: &str) -> u64 {
    id.split('-').next().unwrap().parse().unwrap()
}

#[tokio::test]
async fn unread_and_pending_entries_are_never_removed() {
    let stores = Stores::start().await;
    let ids = stores.emit(repeat_n(DONE, 1_000)).await;
    stores.give("one", 500).await;
    let member = membership("one");
    member
        .acknowledge(&stores.emitter, ids[..300].to_vec())
        .await
        .unwrap();
    // Pending are the entries from 300 on. One entry in the middle is acknowledged already.
    member
        .acknowledge(&stores.emitter, vec![ids[400].clone()])
        .await
        .unwrap();
    assert_trimmed_to(&trim_all(&stores, Duration::ZERO).await, &ids, 300);

    member
        .acknowledge(&stores.emitter, ids[300..500].to_vec())
        .await
        .unwrap();
    assert_trimmed_to(&trim_all(&stores, Duration::ZERO).await, &ids, 500);
}

#[tokio::test]
async fn entries_younger_than_the_retention_are_never_removed() {
    let stores = Stores::start().await;
    let ids = stores.emit([DONE; 500]).await;
    let script = Script::default();
    let _running = stores.consume("one", &script);
    stores.wait_settled().await;
    assert_eq!(trim_all(&stores, LIMIT).await, ids);
    assert_trimmed_to(&trim_all(&stores, Duration::ZERO).await, &ids, 500);
}

#[tokio::test]
async fn without_its_group_a_stream_is_left_alone() {
    let stores = Stores::start().await;
    assert!(
        trim_all(&stores, Duration::ZERO).await.is_empty(),
        "no stream, no error"
    );
    let ids = stores.emit([DONE; 500]).await;
    assert_eq!(trim_all(&stores, Duration::ZERO).await, ids);
    // Another group does not replace the missing one, even if it has read everything.
    let create = Command::new("XGROUP")
        .arg("CREATE")
        .key(STREAM)
        .arg("other")
        .arg("$");
    stores.emitter.run(create).await.unwrap();
    assert_eq!(trim_all(&stores, Duration::ZERO).await, ids);

    stores.give("one", 500).await;
    membership("one")
        .acknowledge(&stores.emitter, ids.clone())
        .await
        .unwrap();
    assert_trimmed_to(&trim_all(&stores, Duration::ZERO).await, &ids, 500);
    let destroy = Command::new("XGROUP").arg("DESTROY").key(STREAM).arg(GROUP);
    stores.emitter.run(destroy).await.unwrap();
    let ids = stores.emit([DONE; 300]).await;
    assert!(trim_all(&stores, Duration::ZERO).await.ends_with(&ids));
}

/// The store of the reader may forget the effect of the entry a moment after the acknowledgement.
#[tokio::test]
async fn an_entry_that_was_needed_at_the_last_trim_stays_at_this_one() {
    let stores = Stores::start().await;
    let ids = stores.emit([DONE; 500]).await;
    stores.give("one", 500).await;
    let trimmer = trimmer(&stores, Duration::ZERO);
    let trim = || async {
        trimmer.trim::<OrderCompleted>().await.unwrap();
        entries(&stores.emitter, STREAM).await.len()
    };
    assert_eq!(trim().await, 500);
    membership("one")
        .acknowledge(&stores.emitter, ids.clone())
        .await
        .unwrap();
    assert_eq!(trim().await, 500, "acknowledged since the last trim");
    assert!(trim().await < 500);
}

#[tokio::test]
async fn the_slowest_group_decides() {
    let stores = Stores::start().await;
    let ids = stores.emit(repeat_n(DONE, 800)).await;
    let place = ids[249].as_str();
    let create = Command::new("XGROUP")
        .arg("CREATE")
        .key(STREAM)
        .arg("slow")
        .arg(place);
    stores.emitter.run(create).await.unwrap();
    stores.give("one", 800).await;
    membership("one")
        .acknowledge(&stores.emitter, ids.clone())
        .await
        .unwrap();
    assert_trimmed_to(&trim_all(&stores, Duration::ZERO).await, &ids, 250);
}

#[tokio::test]
async fn a_reader_that_was_behind_keeps_the_past_it_may_have_to_replay() {
    const HOUR_MS: u64 = 60 * 60 * 1_000;
    let stores = Stores::start().await;
    let owner = stores.owner_of_stream();
    let now = owner.now(partition()).await.unwrap().as_millis();
    let mut ids = Vec::new();
    for hours in [6, 3, 2] {
        ids.extend((0..300).map(|number| format!("{}-{number}", now - hours * HOUR_MS)));
    }
    for id in &ids {
        let add = Command::new("XADD").key(STREAM).arg(id.as_str());
        stores.emitter.run(add.args(["a", "b"])).await.unwrap();
    }
    stores.give("one", 600).await;
    let member = membership("one");
    member
        .acknowledge(&stores.emitter, ids[..600].to_vec())
        .await
        .unwrap();
    // The group has got as far as three hours ago. Entries that are at most two hours older stay.
    let left = trim_all(&stores, Duration::from_hours(2)).await;
    assert_trimmed_to(&left, &ids, 300);
}
