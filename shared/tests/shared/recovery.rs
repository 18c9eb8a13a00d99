//! The next consumer settles the entries that a crash leaves pending.

use std::time::Duration;

use shared::redis::Command;
use shared::stream::group::{BATCH, Pace};
use stack::wait::eventually;

use crate::harness::{GROUP, NEVER, STREAM, Stores, field, membership};
use crate::script::{DIE, DONE, HELD, PARK, Script};

/// An idle time after which a consumer takes over almost at once.
const HASTY: Duration = Duration::from_millis(200);

#[tokio::test]
async fn own_pending_entries_are_settled_on_start() {
    let stores = Stores::start().await;
    let script = Script::default();
    stores.emit([DONE; 250]).await;
    stores.give("one", 250).await;
    let _running = stores.consume("one", &script);
    stores.wait_settled().await;
    assert_eq!(script.times(DONE), [1; 250]);
    assert!(script.calls().iter().all(|call| call.orders.len() <= BATCH));
    let counts = Command::new("EXISTS").key("attempts");
    let counts = stores.operate(counts).await.int().unwrap();
    assert_eq!(counts, 0, "no count is left behind");
}

/// An acknowledged entry is never delivered again, so its count has to be removed first.
#[tokio::test]
async fn an_entry_is_not_acknowledged_before_its_count_is_forgotten() {
    let stores = Stores::start().await;
    let script = Script::default();
    stores.emit([DONE]).await;
    stores.give("one", 1).await;
    let allow = async |rule: &'static str| {
        let rule = Command::new("ACL").args(["SETUSER", "inventory", rule]);
        stores.operate(rule).await;
    };
    allow("-hdel").await;
    let _running = stores.consume("one", &script);
    eventually("a second attempt", async || script.times(DONE) >= vec![2]).await;
    assert_eq!(stores.pending().await, Some(1));
    allow("+hdel").await;
    stores.wait_settled().await;
    let counts = Command::new("EXISTS").key("attempts");
    assert_eq!(stores.operate(counts).await.int().unwrap(), 0);
}

/// A consumer can leave such a count. It freezes before it counts, and wakes up after another
/// consumer has acknowledged the entry.
#[tokio::test]
async fn the_count_of_an_entry_that_is_not_pending_is_forgotten() {
    let stores = Stores::start().await;
    let script = Script::default();
    stores.emit([DONE]).await;
    let _running = stores.consume("one", &script);
    stores.wait_settled().await;
    let count = Command::new("HSET").key("attempts").args(["1-0", "1"]);
    stores.operate(count).await;
    let left = || async {
        let counts = Command::new("EXISTS").key("attempts");
        stores.operate(counts).await.int().unwrap() == 1
    };
    eventually("the count to go", async || !left().await).await;
}

#[tokio::test]
async fn entries_of_a_dead_consumer_are_taken_over_and_those_of_a_living_one_are_not() {
    let stores = Stores::start().await;
    let script = Script::default();
    stores.emit([DONE; 20]).await;
    stores.give("dead", 20).await;
    let patient = stores.consume("patient", &script);
    eventually("the patient one", async || {
        consumers(&stores).await.contains(&"patient".to_owned())
    })
    .await;
    assert_eq!(
        (stores.pending().await, script.calls().len()),
        (Some(20), 0)
    );
    let _running = stores.consume_after("hasty", &script, HASTY);
    stores.wait_settled().await;
    assert_eq!(script.times(DONE), [1; 20]);
    drop(patient);
}

/// One scan looks at ten times as many entries as it takes over. A scan that always began at the
/// front would never get past the entries of the living consumer.
#[tokio::test]
async fn entries_of_a_dead_consumer_are_found_behind_many_of_a_living_one() {
    let stores = Stores::start().await;
    let script = Script::default();
    let ids = stores.emit(vec![DONE; 1_600]).await;
    stores.give("living", 1_500).await;
    stores.give("dead", 100).await;
    let long_ago = Command::new("XCLAIM")
        .key(STREAM)
        .args([GROUP, "dead", "0"]);
    let long_ago = long_ago.args(ids[1_500..].iter().map(String::as_str));
    let long_ago = long_ago.args(["IDLE", "7200000"]);
    stores.emitter.run(long_ago).await.unwrap();
    let _running = stores.consume_after("alive", &script, NEVER);
    eventually("only those of the living", async || {
        stores.pending().await == Some(1_500)
    })
    .await;
    assert_eq!(script.times(DONE), [1; 100]);
}

#[tokio::test]
async fn a_long_list_of_a_dead_consumer_is_taken_over_in_several_scans() {
    let stores = Stores::start().await;
    let script = Script::default();
    stores.emit(vec![DONE; 3_000]).await;
    stores.give("dead", 3_000).await;
    let _running = stores.consume_after("alive", &script, HASTY);
    let started = tokio::time::Instant::now();
    stores.wait_settled().await;
    assert_eq!(script.times(DONE), vec![1; 3_000]);
    // If each scan waited 2 s for new entries, 15 scans would take 30 s.
    let took = started.elapsed();
    assert!(took < Duration::from_secs(20), "{took:?}");
}

/// The consumer reads the next batch while it settles one. The next batch is then pending at a live
/// consumer.
#[tokio::test]
async fn a_consumer_does_not_take_over_the_batch_it_has_in_hand() {
    let stores = Stores::start().await;
    let script = Script::default();
    let _running = stores.consume_after("one", &script, HASTY);
    stores.emit([HELD]).await;
    eventually("the first batch", async || !script.calls().is_empty()).await;
    stores.emit([DONE; 100]).await;
    eventually("a batch in hand that could be taken over", async || {
        stores.pending_for(HASTY).await > 1
    })
    .await;
    script.let_go();
    stores.wait_settled().await;
    assert_eq!(
        (script.times(HELD), script.times(DONE)),
        (vec![1], vec![1; 100])
    );
}

/// Gives three entries to a consumer, and trims the second. Answers the id of that entry.
async fn trim_one_of_three(stores: &Stores, consumer: &str) -> String {
    let trimmed = stores.emit([DONE; 3]).await.remove(1);
    stores.give(consumer, 3).await;
    let delete = Command::new("XDEL").key(STREAM).arg(trimmed.as_str());
    stores.emitter.run(delete).await.unwrap();
    trimmed
}

/// Asserts that the trimmed entry is set aside, and that its neighbours and later entries are acted
/// on.
async fn assert_goes_on_without(stores: &Stores, script: &Script, trimmed: &str) {
    let parked = stores.wait_parked(1).await.remove(0);
    assert_eq!(field(&parked, "dl_reason"), "entry_trimmed");
    assert_eq!(field(&parked, "dl_entry_id"), trimmed);
    eventually("nothing pending", async || {
        stores.pending().await == Some(0)
    })
    .await;
    assert_eq!(script.times(DONE), [1, 1]);
    stores.emit([PARK]).await;
    stores.wait_parked(2).await;
}

#[tokio::test]
async fn an_entry_that_was_trimmed_while_it_was_pending_does_not_wedge_its_consumer() {
    let stores = Stores::start().await;
    let script = Script::default();
    let trimmed = trim_one_of_three(&stores, "one").await;
    let _running = stores.consume("one", &script);
    assert_goes_on_without(&stores, &script, &trimmed).await;
}

#[tokio::test]
async fn an_entry_that_was_trimmed_while_a_dead_consumer_held_it_does_not_wedge_the_next() {
    let stores = Stores::start().await;
    let script = Script::default();
    let trimmed = trim_one_of_three(&stores, "dead").await;
    let _running = stores.consume_after("alive", &script, HASTY);
    assert_goes_on_without(&stores, &script, &trimmed).await;
}

/// One entry kills the consumer each time. In the end it becomes a dead letter, and its neighbours
/// are settled.
#[tokio::test]
async fn an_entry_that_kills_its_consumer_is_parked_in_the_end() {
    let stores = Stores::start().await;
    let ids = stores.emit([DONE, DIE, DONE]).await;
    for life in 1..20 {
        let script = Script::default();
        let running = stores.consume("one", &script);
        eventually("its death, or the end", async || {
            !script.calls_with(DIE).is_empty() || stores.is_settled().await
        })
        .await;
        drop(running);
        if stores.is_settled().await {
            let parked = stores.wait_parked(1).await.remove(0);
            assert_eq!(field(&parked, "dl_entry_id"), ids[1]);
            assert_eq!(field(&parked, "dl_reason"), "max_deliveries");
            assert!(life <= 10, "only at start {life}");
            return;
        }
    }
    panic!("the entry still kills its consumer");
}

#[tokio::test]
async fn an_idle_consumer_is_removed_when_nothing_is_pending_in_its_name() {
    let stores = Stores::start().await;
    stores.emit([DONE; 2]).await;
    stores.give("busy", 1).await;
    stores.give("idle", 1).await;
    let (own, idle) = (membership("own"), membership("idle"));
    let entries = idle
        .read_own_pending(&stores.emitter, &mut Pace::cautious(), "0-0")
        .await
        .unwrap();
    idle.acknowledge(&stores.emitter, vec![entries[0].id.clone()])
        .await
        .unwrap();
    stores.emit([DONE]).await;
    stores.give("own", 1).await;

    let idle = own.idle_consumers(&stores.emitter, NEVER).await.unwrap();
    let lost = own.remove_consumers(&stores.emitter, idle).await.unwrap();
    assert_eq!(
        (lost, consumers(&stores).await.len()),
        (0, 3),
        "no consumer is idle for that long"
    );
    let idle = own
        .idle_consumers(&stores.emitter, Duration::ZERO)
        .await
        .unwrap();
    let lost = own.remove_consumers(&stores.emitter, idle).await.unwrap();
    assert_eq!(lost, 0);
    assert_eq!(consumers(&stores).await, ["busy", "own"]);
    assert_eq!(stores.pending().await, Some(2));
}

/// The names of the members of the group, in alphabetical order.
async fn consumers(stores: &Stores) -> Vec<String> {
    let info = Command::new("XINFO")
        .arg("CONSUMERS")
        .key(STREAM)
        .arg(GROUP);
    let Ok(list) = stores.emitter.run(info).await else {
        return Vec::new();
    };
    let list = list.list().unwrap().into_iter();
    let mut names: Vec<String> = list
        .map(|consumer| consumer.field("name").unwrap().text().unwrap())
        .collect();
    names.sort_unstable();
    names
}
