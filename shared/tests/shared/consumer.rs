//! What a consumer does with an entry: it hands it over in a bounded batch, settles it, and
//! acknowledges it last.

use std::iter::repeat_n;

use shared::redis::Command;
use shared::stream::group::BATCH;
use stack::wait::eventually;

use crate::harness::{GROUP, STREAM, Stores, entries, field};
use crate::script::{DONE, PARK, RETRY_TWICE, Script};

#[tokio::test]
async fn entries_are_handed_over_once_in_batches_of_bounded_size() {
    let stores = Stores::start().await;
    let script = Script::default();
    stores.emit(repeat_n(DONE, 1_050)).await;
    let _running = stores.consume("one", &script);
    stores.wait_settled().await;
    assert_eq!(script.times(DONE), vec![1; 1_050]);
    let sizes: Vec<usize> = script
        .calls()
        .iter()
        .map(|call| call.orders.len())
        .collect();
    assert!(sizes.iter().all(|size| *size <= BATCH), "{sizes:?}");
    assert!(sizes.len() <= 2 * 1_050 / BATCH, "{sizes:?}");
}

#[tokio::test]
async fn a_hopeless_entry_is_parked_with_its_fields_and_the_others_flow() {
    let stores = Stores::start().await;
    let script = Script::default();
    let ids = stores.emit([DONE, PARK, DONE]).await;
    let emitted = entries(&stores.emitter, STREAM).await;
    let _running = stores.consume("one", &script);
    stores.wait_settled().await;
    let parked = stores.wait_parked(1).await.remove(0);
    for (name, value) in [
        ("dl_reason", "hopeless"),
        ("dl_error", "it will never work"),
        ("dl_stream", STREAM),
        ("dl_entry_id", &*ids[1]),
        ("dl_group", GROUP),
        ("dl_consumer", "one"),
        ("dl_attempts", "1"),
    ] {
        assert_eq!(field(&parked, name), value, "{name}");
    }
    let (kept, raw) = (parked.fields.unwrap(), emitted[1].fields.clone().unwrap());
    assert!(kept.ends_with(&raw), "not as it came: {kept:?}");
    assert_eq!(
        (script.times(DONE), script.times(PARK)),
        (vec![1, 1], vec![1])
    );
}

#[tokio::test]
async fn an_entry_that_is_no_event_is_parked_byte_for_byte() {
    let stores = Stores::start().await;
    let script = Script::default();
    let many: Vec<u8> = (0..=255).collect();
    let strange: [&[&[u8]]; 5] = [
        &[b"message", b"subscribe"],
        &[b"ce_type", b"order.completed.v9"],
        &[b"ce_type", b"order.completed.v1", b"order_id", b"x"],
        &[b"\xff\x00\r\n", &many],
        &[b"ce_type", b"\xff\xfe", b"dl_reason", b"forged"],
    ];
    for fields in strange {
        let add = Command::new("XADD")
            .key(STREAM)
            .arg("*")
            .args(fields.iter().copied());
        stores.emitter.run(add).await.unwrap();
    }
    stores.emit([DONE]).await;
    let _running = stores.consume("one", &script);
    stores.wait_settled().await;
    let parked = stores.wait_parked(strange.len()).await;
    let emitted = entries(&stores.emitter, STREAM).await;
    for (parked, emitted) in parked.iter().zip(&emitted) {
        let (kept, raw) = (
            parked.fields.as_ref().unwrap(),
            emitted.fields.as_ref().unwrap(),
        );
        assert!(kept.ends_with(raw), "{kept:?}");
        assert_eq!(field(parked, "dl_entry_id"), emitted.id);
    }
    let reasons: Vec<&str> = parked
        .iter()
        .map(|entry| field(entry, "dl_reason"))
        .collect();
    let (other, broken) = ("unknown_type", "undecodable");
    assert_eq!(reasons, [broken, other, broken, broken, broken]);
    assert_eq!(script.times(DONE), [1]);
}

#[tokio::test]
async fn a_group_that_is_destroyed_comes_back_and_misses_nothing() {
    let stores = Stores::start().await;
    let script = Script::default();
    stores.emit([DONE; 3]).await;
    let _running = stores.consume("one", &script);
    stores.wait_settled().await;
    let destroy = Command::new("XGROUP").arg("DESTROY").key(STREAM).arg(GROUP);
    stores.emitter.run(destroy).await.unwrap();
    stores.emit([RETRY_TWICE]).await;
    stores.wait_settled().await;
    assert_eq!(script.times(RETRY_TWICE), [3]);
    // The new group delivers acknowledged entries once more: at least one delivery for each entry.
    assert!(script.times(DONE).iter().all(|times| *times >= 1));
}

#[tokio::test]
async fn a_consumer_that_is_stopped_settles_what_it_has_in_hand() {
    let stores = Stores::start().await;
    let script = Script::default();
    stores.emit(repeat_n(DONE, 2_000)).await;
    let running = stores.consume("one", &script);
    eventually("its first batch", async || !script.calls().is_empty()).await;
    running.stop().await;
    let handled = script.times(DONE);
    assert!(handled.iter().all(|times| *times == 1));
    assert_eq!(
        stores.pending().await,
        Some(0),
        "after {} of 2000",
        handled.len()
    );
}
