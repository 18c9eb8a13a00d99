//! The checkpoint of a store: how far it has acted on a stream.

use shared::redis::{Command, RedisError};
use shared::store::function::Call;
use stack::wait::eventually;

use crate::harness::{STREAM, Stores, partition};
use crate::script::{PARK, Script};

const MINUTE_MS: u64 = 60_000;

/// Calls `move_checkpoint` as a consumer does.
async fn advance(stores: &Stores, known: &str, to: &str) -> Result<i64, RedisError> {
    let incarnation = stores.incarnation().await;
    call_for(stores, &incarnation, known, to, "forward").await
}

async fn call_for(
    stores: &Stores,
    incarnation: &str,
    known: &str,
    to: &str,
    direction: &'static str,
) -> Result<i64, RedisError> {
    let call = Call::new("move_checkpoint").key("checkpoint".to_owned());
    let call = call
        .arg(STREAM)
        .text(known)
        .text(to)
        .arg(7)
        .arg("4-4")
        .text(10 * MINUTE_MS);
    let call = call.text(incarnation).arg(direction);
    Ok(stores.own_store().call(partition(), &call).await?.int()?)
}

/// The checkpoint that the own store has recorded.
pub(crate) async fn checkpoint(stores: &Stores) -> Option<String> {
    let get = Command::new("HGET").key("checkpoint").arg(STREAM);
    stores.operate(get).await.text().ok()
}

/// Sends a command to the own store, with all rights.
async fn identify(stores: &Stores) {
    stores
        .operate(
            Command::new("SET")
                .arg("identity")
                .arg(stores.own_store().identity_text("test")),
        )
        .await;
}

#[tokio::test]
async fn a_checkpoint_moves_forward_only() {
    let stores = Stores::start().await;
    identify(&stores).await;
    assert_eq!(advance(&stores, "0-0", "9-10").await.unwrap(), 1);
    for earlier in ["9-9", "8-99", "9-10"] {
        assert_eq!(
            advance(&stores, "9-10", earlier).await.unwrap(),
            1,
            "{earlier}"
        );
        assert_eq!(checkpoint(&stores).await.unwrap(), "9-10 7 4-4 0-0 0-0");
    }
    assert_eq!(advance(&stores, "9-10", "10-2").await.unwrap(), 1);
    assert_eq!(checkpoint(&stores).await.unwrap(), "10-2 7 4-4 0-0 0-0");
}

#[tokio::test]
async fn a_checkpoint_keeps_an_entry_that_is_older_by_ten_minutes_at_least() {
    let stores = Stores::start().await;
    identify(&stores).await;
    // The checkpoint moves once a minute.
    for minute in 1..=60 {
        let id = format!("{}-0", minute * MINUTE_MS);
        assert_eq!(advance(&stores, "0-0", &id).await.unwrap(), 1);
        let checkpoint = checkpoint(&stores).await.unwrap();
        let earlier = checkpoint
            .rsplit(' ')
            .next()
            .unwrap()
            .split('-')
            .next()
            .unwrap();
        let age = minute - earlier.parse::<u64>().unwrap() / MINUTE_MS;
        assert!(
            (10..20).contains(&age) || minute < 20 && earlier == "0",
            "{minute}: {checkpoint}"
        );
    }
    let much_later = format!("{}-0", 600 * MINUTE_MS);
    assert_eq!(advance(&stores, "0-0", &much_later).await.unwrap(), 1);
    let earlier = format!(" {}-0", 60 * MINUTE_MS);
    assert!(checkpoint(&stores).await.unwrap().ends_with(&earlier));
}

#[tokio::test]
async fn a_checkpoint_that_has_gone_back_is_not_moved() {
    let stores = Stores::start().await;
    identify(&stores).await;
    assert_eq!(advance(&stores, "5-1", "9-0").await.unwrap(), 0);
    assert_eq!(checkpoint(&stores).await, None);
    assert_eq!(advance(&stores, "0-0", "5-0").await.unwrap(), 1);
    assert_eq!(advance(&stores, "5-1", "9-0").await.unwrap(), 0);
    assert_eq!(checkpoint(&stores).await.unwrap(), "5-0 7 4-4 0-0 0-0");
}

/// What a consumer knew before a restart says nothing about what the store remembers after it.
#[tokio::test]
async fn a_checkpoint_is_not_moved_in_another_incarnation() {
    let stores = Stores::start().await;
    identify(&stores).await;
    let incarnation = stores.incarnation().await;
    stores.own.kill();
    stores.own.restart().await.unwrap();
    eventually("the store", async || {
        call_for(&stores, &incarnation, "0-0", "5-0", "forward")
            .await
            .is_ok_and(|moved| moved == 0)
    })
    .await;
    assert_eq!(checkpoint(&stores).await, None);
    assert_eq!(advance(&stores, "0-0", "5-0").await.unwrap(), 1);
}

#[tokio::test]
async fn a_checkpoint_that_is_taken_back_keeps_its_oldest_pending_entry() {
    let stores = Stores::start().await;
    identify(&stores).await;
    let set = Command::new("HSET").args(["checkpoint", STREAM, "9-0 9 3-0 8-0 7-0"]);
    stores.operate(set).await;
    let incarnation = stores.incarnation().await;
    assert_eq!(
        call_for(&stores, &incarnation, "9-0", "6-0", "back")
            .await
            .unwrap(),
        1
    );
    assert_eq!(checkpoint(&stores).await.unwrap(), "6-0 7 3-0 6-0 6-0");
    assert_eq!(
        call_for(&stores, "another", "6-0", "5-0", "back")
            .await
            .unwrap(),
        0
    );
}

#[tokio::test]
async fn a_value_that_is_no_checkpoint_is_left_alone() {
    let stores = Stores::start().await;
    assert!(
        advance(&stores, "0-0", "1-0").await.is_err(),
        "a store without identity"
    );
    identify(&stores).await;
    stores
        .operate(Command::new("SET").args(["checkpoint", "text"]))
        .await;
    assert!(
        advance(&stores, "0-0", "1-0").await.is_err(),
        "a key of another type"
    );
    let get = stores.operate(Command::new("GET").key("checkpoint")).await;
    assert_eq!(get.text().unwrap(), "text");
    stores.operate(Command::new("DEL").key("checkpoint")).await;
    stores
        .operate(Command::new("HSET").args(["checkpoint", STREAM, "garbage"]))
        .await;
    assert!(
        advance(&stores, "0-0", "1-0").await.is_err(),
        "no checkpoint"
    );
    assert_eq!(checkpoint(&stores).await.unwrap(), "garbage");
}

#[tokio::test]
async fn a_full_store_still_moves_its_checkpoint() {
    let stores = Stores::start().await;
    identify(&stores).await;
    assert_eq!(advance(&stores, "0-0", "1-0").await.unwrap(), 1);
    stores
        .operate(Command::new("CONFIG").args(["SET", "maxmemory", "1"]))
        .await;
    assert_eq!(advance(&stores, "1-0", "2-0").await.unwrap(), 1);
}

#[tokio::test]
async fn parked_entries_move_the_checkpoint_too() {
    let stores = Stores::start().await;
    let script = Script::default();
    let ids = stores.emit([PARK; 3]).await;
    let _running = stores.consume("one", &script);
    stores.wait_settled().await;
    wait_checkpoint(&stores, &ids[2]).await;
}

/// Waits until the checkpoint stands at this entry.
pub(crate) async fn wait_checkpoint(stores: &Stores, id: &str) {
    eventually("the checkpoint to be there", async || {
        checkpoint(stores)
            .await
            .is_some_and(|checkpoint| checkpoint.starts_with(id))
    })
    .await;
}
