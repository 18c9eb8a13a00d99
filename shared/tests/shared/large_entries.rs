//! Entries that are larger than any event become dead letters with their first bytes, length and
//! digest. Few of them are in memory at once.

use shared::redis::{Command, KEPT_BYTES, MAX_ENTRY_BYTES};

use crate::harness::{STREAM, Stores, field};
use crate::script::{DONE, Script};

const LARGE: usize = 2_000_000;

#[tokio::test]
async fn a_large_entry_is_parked_with_its_beginning_and_the_good_ones_are_settled() {
    let stores = Stores::start().await;
    let script = Script::default();
    stores.emit([DONE; 30]).await;
    add(&stores, &[("large".to_owned(), "x".repeat(LARGE))]).await;
    stores.emit([DONE; 30]).await;
    let _running = stores.consume("one", &script);
    stores.wait_settled().await;
    assert_eq!(script.times(DONE), [1; 60]);
    let letter = stores.wait_parked(1).await.remove(0);
    assert_eq!(field(&letter, "dl_reason"), "too_large");
    assert_eq!(
        field(&letter, "dl_bytes"),
        (LARGE + "large".len()).to_string()
    );
    assert_eq!(field(&letter, "dl_digest").len(), 32);
    let kept = field(&letter, "large").len();
    assert!((KEPT_BYTES / 2..=KEPT_BYTES).contains(&kept), "{kept}");
}

/// One call of Lua cannot pass on this many arguments.
#[tokio::test]
async fn an_entry_with_very_many_fields_is_parked_too() {
    let stores = Stores::start().await;
    let script = Script::default();
    let fields: Vec<_> = (0..20_000)
        .map(|number| (number.to_string(), "x".to_owned()))
        .collect();
    add(&stores, &fields).await;
    stores.emit([DONE]).await;
    let _running = stores.consume("one", &script);
    stores.wait_settled().await;
    let letter = stores.wait_parked(1).await.remove(0);
    assert_eq!(field(&letter, "dl_reason"), "too_large");
    assert_eq!((field(&letter, "0"), field(&letter, "19999")), ("x", ""));
}

/// The entry is no event, but small enough to be read whole. So its dead letter has all of it.
#[tokio::test]
async fn an_entry_up_to_the_limit_is_parked_whole() {
    let stores = Stores::start().await;
    let script = Script::default();
    let value = "x".repeat(MAX_ENTRY_BYTES - 100);
    add(&stores, &[("large".to_owned(), value.clone())]).await;
    let _running = stores.consume("one", &script);
    let letter = stores.wait_parked(1).await.remove(0);
    assert_eq!(field(&letter, "large"), value);
    assert_ne!(field(&letter, "dl_reason"), "too_large");
}

#[tokio::test]
async fn a_large_entry_that_is_delivered_again_is_not_parked_again() {
    let stores = Stores::start().await;
    let script = Script::default();
    add(&stores, &[("large".to_owned(), "x".repeat(LARGE))]).await;
    let running = stores.consume("one", &script);
    stores.wait_settled().await;
    running.stop().await;
    let destroy = Command::new("XGROUP")
        .arg("DESTROY")
        .key(STREAM)
        .arg(crate::harness::GROUP);
    stores.emitter.run(destroy).await.unwrap();
    let _running = stores.consume("one", &script);
    stores.emit([DONE]).await;
    stores.wait_settled().await;
    stores.wait_parked(1).await;
}

async fn add(stores: &Stores, fields: &[(String, String)]) {
    let words = fields
        .iter()
        .flat_map(|(name, value)| [name.as_str(), value.as_str()]);
    let add = Command::new("XADD").key(STREAM).arg("*").args(words);
    stores.emitter.run(add).await.unwrap();
}
