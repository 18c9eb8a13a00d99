//! The consumer replays the recent past of a stream if the own store may have forgotten it.

use shared::redis::Command;
use shared::store::open::Witness;
use shared::stream::loss::accept_loss;
use stack::wait::eventually;

use crate::checkpoint::{checkpoint, wait_checkpoint};
use crate::harness::{GROUP, STREAM, Stores, calls};
use crate::script::{DONE, PARK, Script};

#[tokio::test]
async fn recent_events_are_acted_on_again_when_the_own_store_begins_a_new_incarnation() {
    let stores = Stores::start().await;
    let script = Script::default();
    stores.emit([DONE; 250]).await;
    let _running = stores.consume("one", &script);
    stores.wait_settled().await;
    assert_eq!(script.times(DONE), [1; 250]);
    stores.own.kill();
    stores.own.restart().await.unwrap();
    eventually("a second time", async || script.times(DONE) == [2; 250]).await;
    stores.emit([PARK]).await;
    stores.wait_parked(1).await;
    assert_eq!(script.times(DONE), [2; 250], "once for each incarnation");
}

#[tokio::test]
async fn new_entries_wait_until_the_replay_is_finished() {
    let stores = Stores::start().await;
    let script = Script::default();
    stores.emit([DONE; 450]).await;
    let running = stores.consume("one", &script);
    stores.wait_settled().await;
    running.stop().await;
    stores.own.kill();
    stores.own.restart().await.unwrap();
    stores.emit([PARK]).await;
    let _running = stores.consume("two", &script);
    stores.wait_parked(1).await;
    assert_eq!(script.times(DONE), [2; 450]);
    let last = script.calls().pop().unwrap();
    assert_eq!(
        last.orders
            .iter()
            .map(|(_, kind)| *kind)
            .collect::<Vec<_>>(),
        [PARK]
    );
}

/// The own store forgets its last writes, and then the store of the stream loses all its data. The
/// events to replay come back with the files of that store.
#[tokio::test]
async fn a_stream_that_was_lost_is_replayed_once_it_is_back() {
    let stores = Stores::start().await;
    let script = Script::default();
    let ids = stores.emit([DONE; 3]).await;
    let running = stores.consume("one", &script);
    stores.wait_settled().await;
    wait_checkpoint(&stores, &ids[2]).await;
    running.stop().await;
    let rename = |from, to| stores.emitter.run(Command::new("RENAME").key(from).key(to));
    rename(STREAM, "backup").await.unwrap();
    stores.own.kill();
    stores.own.restart().await.unwrap();
    let _running = stores.consume("two", &script);
    eventually("its group", async || stores.pending().await == Some(0)).await;
    // The first look may have begun before; the second one found nothing.
    let before = calls(&stores.emitter, "xinfo|stream").await;
    eventually("two looks", async || {
        calls(&stores.emitter, "xinfo|stream").await >= before + 2
    })
    .await;
    rename("backup", STREAM).await.unwrap();
    eventually("a second time", async || script.times(DONE) == [2; 3]).await;
}

#[tokio::test]
async fn a_store_that_lost_its_checkpoint_while_it_ran_is_noticed() {
    let stores = Stores::start().await;
    let script = Script::default();
    let ids = stores.emit([DONE; 150]).await;
    let _running = stores.consume("one", &script);
    stores.wait_settled().await;
    wait_checkpoint(&stores, &ids[149]).await;
    stores.operate(Command::new("DEL").key("checkpoint")).await;
    eventually("a second time", async || script.times(DONE) == [2; 150]).await;
    wait_checkpoint(&stores, &ids[149]).await;
}

#[tokio::test]
async fn accepting_a_loss_changes_nothing_where_nothing_is_lost() {
    let stores = Stores::start().await;
    let script = Script::default();
    let ids = stores.emit([DONE; 5]).await;
    let _running = stores.consume("one", &script);
    stores.wait_settled().await;
    wait_checkpoint(&stores, &ids[4]).await;
    let before = checkpoint(&stores).await;
    stores.own.kill();
    stores.own.restart().await.unwrap();
    let witness = Witness {
        redis: stores.emitter.clone(),
        stream: STREAM,
        group: GROUP,
        is_own: false,
    };
    accept_loss(&stores.own_store(), &witness).await.unwrap();
    assert_eq!(checkpoint(&stores).await, before);
    // The replay that is due is not forgotten over it.
    eventually("a second time", async || script.times(DONE) == [2; 5]).await;
}
