//! An entry on which the handler fails, and the entries around it.

use std::time::Duration;

use shared::stream::group::BATCH;

use crate::harness::{Stores, field};
use crate::script::{
    AWAY_TWICE, DONE, PARK, PARK_AWAY, PARK_REFUSED, REFUSE, RETRY, RETRY_TWICE, Script,
};

/// After this many attempts an entry becomes a dead letter.
const MAX_ATTEMPTS: usize = shared::stream::delivery::MAX_ATTEMPTS as usize;

#[tokio::test]
async fn an_entry_that_never_works_is_tried_alone_ever_later_and_then_parked() {
    let stores = Stores::start().await;
    let script = Script::default();
    let ids = stores.emit([DONE, RETRY, DONE]).await;
    let _running = stores.consume("one", &script);
    let parked = stores.wait_parked(1).await.remove(0);
    stores.wait_settled().await;
    assert_eq!(field(&parked, "dl_reason"), "max_deliveries");
    assert_eq!(field(&parked, "dl_error"), "not yet");
    assert_eq!(field(&parked, "dl_entry_id"), ids[1]);
    assert_eq!(field(&parked, "dl_attempts"), MAX_ATTEMPTS.to_string());

    let calls = script.calls_with(RETRY);
    assert_eq!(calls.len(), MAX_ATTEMPTS);
    assert!(
        calls[1..].iter().all(|call| call.orders.len() == 1),
        "not alone"
    );
    assert_eq!(
        script.times(DONE),
        [1, 1],
        "the neighbours were settled at once"
    );
    let pauses: Vec<Duration> = calls
        .windows(2)
        .map(|pair| pair[1].at - pair[0].at)
        .collect();
    for (pause, least_ms) in pauses.iter().zip([100, 200, 400, 800]) {
        assert!(*pause >= Duration::from_millis(least_ms), "{pauses:?}");
    }
}

#[tokio::test]
async fn an_entry_that_works_later_is_settled_like_any_other() {
    let stores = Stores::start().await;
    let script = Script::default();
    stores.emit([RETRY_TWICE, DONE, RETRY_TWICE]).await;
    let _running = stores.consume("one", &script);
    stores.wait_settled().await;
    assert_eq!(
        (script.times(RETRY_TWICE), script.times(DONE)),
        (vec![3, 3], vec![1])
    );
    stores.wait_parked(0).await;
}

#[tokio::test]
async fn a_refused_batch_is_tried_entry_by_entry() {
    let stores = Stores::start().await;
    let script = Script::default();
    let mut quantities = [DONE; 10];
    quantities[4] = REFUSE;
    let ids = stores.emit(quantities).await;
    let _running = stores.consume("one", &script);
    let parked = stores.wait_parked(1).await.remove(0);
    stores.wait_settled().await;
    assert_eq!(field(&parked, "dl_entry_id"), ids[4]);
    assert!(
        field(&parked, "dl_error").contains("WRONGTYPE"),
        "{parked:?}"
    );
    assert_eq!(script.times(REFUSE), [MAX_ATTEMPTS]);
    // The store saw each neighbour twice: once together with the refused entry, once without it.
    assert_eq!(script.times(DONE), [2; 9]);
}

#[tokio::test]
async fn a_store_that_is_away_costs_no_entry_an_attempt() {
    let stores = Stores::start().await;
    let script = Script::default();
    stores.emit([DONE, AWAY_TWICE, DONE]).await;
    let _running = stores.consume("one", &script);
    stores.wait_settled().await;
    assert_eq!(script.times(AWAY_TWICE), [3]);
    stores.wait_parked(0).await;
}

#[tokio::test]
async fn entries_that_wait_for_another_try_do_not_hold_up_new_ones() {
    let stores = Stores::start().await;
    let script = Script::default();
    stores.emit([RETRY; 60]).await;
    let _running = stores.consume("one", &script);
    let started = std::time::Instant::now();
    stores.emit([DONE; 200]).await;
    stores.wait_parked(60).await;
    stores.wait_settled().await;
    assert_eq!(script.times(RETRY), [MAX_ATTEMPTS; 60]);
    assert_eq!(script.times(DONE), [1; 200]);
    let held = script.calls().iter().map(|call| call.orders.len()).max();
    assert!(held <= Some(BATCH), "{held:?}");
    let last_done = script.calls_with(DONE).pop().unwrap().at;
    let last_retry = script.calls_with(RETRY).pop().unwrap().at;
    assert!(last_done < last_retry, "after {:?}", started.elapsed());
}

#[tokio::test]
async fn a_handler_learns_of_each_of_its_events_that_became_a_dead_letter() {
    let stores = Stores::start().await;
    let script = Script::default();
    stores.emit([DONE, PARK, RETRY]).await;
    let _running = stores.consume("one", &script);
    stores.wait_parked(2).await;
    stores.wait_settled().await;
    assert_eq!(
        script.parked(),
        [(PARK, "hopeless"), (RETRY, "max_deliveries")]
    );
}

#[tokio::test]
async fn an_entry_is_not_acknowledged_before_its_handler_learned_of_the_dead_letter() {
    let stores = Stores::start().await;
    let script = Script::default();
    stores.emit([PARK_AWAY, DONE]).await;
    let _running = stores.consume("one", &script);
    stores.wait_settled().await;
    assert_eq!(script.parked(), [(PARK_AWAY, "hopeless"); 2]);
    stores.wait_parked(1).await;
}

#[tokio::test]
async fn a_handler_that_cannot_act_on_a_dead_letter_holds_up_no_entry() {
    let stores = Stores::start().await;
    let script = Script::default();
    stores.emit([PARK_REFUSED, DONE]).await;
    let _running = stores.consume("one", &script);
    stores.wait_settled().await;
    assert_eq!(script.parked(), [(PARK_REFUSED, "hopeless")]);
    assert_eq!(script.times(DONE), [1]);
}
