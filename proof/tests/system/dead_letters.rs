//! Dead letters beyond the bounds leave the store for the log, and arrive there.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, pipe};
use std::time::Duration;

use shared::contract::event::{Event, OrderCompleted};
use stack::role::Role;
use stack::wait::{eventually, wait_until};

use crate::harness::Shop;
use crate::logs::{PIPE_BYTES, Reader, Watched, full_pipe};

/// Old dead letters, of together more than a pipe and the queue of a log take.
const OLD: usize = 300;
const OLD_BYTES: usize = 8_000;
/// Newer dead letters, which fill the store up to its bound of 64 MiB.
const BALLAST: usize = 64;
const BALLAST_BYTES: usize = 1024 * 1024;
/// Longer than the pause after a line was not written to the log.
const PAST_PAUSE: Duration = Duration::from_secs(25);

#[tokio::test]
async fn a_dead_letter_stays_in_the_store_while_no_reader_takes_the_log() {
    let shop = Shop::open().await;
    let old = add_old_letters(&shop).await;
    let (mut output, stdout) = full_pipe();
    let env = [("LOG_FORMAT", "json")];
    let mut command = shop.command(Role::InventoryConsume, &env);
    command.stdout(stdout);
    let mut process = Watched::in_place_of(&shop, Role::InventoryConsume, command).await;

    // A new entry is parked although no reader takes the log. So the old dead letters are too many
    // now.
    park_one(&shop).await;
    park_one(&shop).await;
    assert_eq!(old_letters(&shop).await, OLD);

    // A reader takes the log again. After the next parked entry the old dead letters leave.
    output.read_exact(&mut vec![0; PIPE_BYTES]).unwrap();
    let reader = Reader::start(output, Duration::ZERO);
    wait_left(&shop).await;
    assert_eq!(process.terminate().await, Some(0));
    let is_told = || async { old.is_subset(&told(&reader)) };
    eventually("all old ones in the log", is_told).await;
}

#[tokio::test]
async fn a_dead_letter_stays_in_the_store_where_the_log_leaves_warnings_out() {
    let shop = Shop::open().await;
    let old = add_old_letters(&shop).await;
    for (filter, left) in [("off", OLD), ("error", OLD), ("error,dead_letter=warn", 0)] {
        let (output, stdout) = pipe().unwrap();
        let reader = Reader::start(output, Duration::ZERO);
        let env = [("LOG_FORMAT", "json"), ("RUST_LOG", filter)];
        let mut command = shop.command(Role::InventoryConsume, &env);
        command.stdout(stdout);
        let mut process = Watched::in_place_of(&shop, Role::InventoryConsume, command).await;
        let all = left == 0;
        if all {
            wait_left(&shop).await;
        } else {
            park_one(&shop).await;
        }
        assert_eq!(process.terminate().await, Some(0));
        assert_eq!(old_letters(&shop).await, left, "{filter}");
        let is_told = || async { old.is_subset(&told(&reader)) == all };
        eventually("what the log says", is_told).await;
    }
}

/// Parks entries until the old dead letters have left. A store stops moving them while the log is
/// busy, and tries again later.
async fn wait_left(shop: &Shop) {
    wait_until("the old ones to leave", PAST_PAUSE, || async {
        park_one(shop).await;
        old_letters(shop).await == 0
    })
    .await
    .unwrap();
}

/// Adds old dead letters, and answers their values.
async fn add_old_letters(shop: &Shop) -> BTreeSet<String> {
    let mut old = BTreeSet::new();
    for number in 1..=OLD {
        let value = format!("{number}\u{7f}\"{}", "x".repeat(OLD_BYTES));
        let id = format!("{number}-0");
        let add = [
            "dead_letters",
            id.as_str(),
            "dl_reason",
            "old",
            "value",
            value.as_str(),
        ];
        shop.inventory.ask("XADD", &add).await;
        old.insert(value);
    }
    let value = "x".repeat(BALLAST_BYTES);
    for _ in 0..BALLAST {
        let add = [
            "dead_letters",
            "*",
            "dl_reason",
            "new",
            "ballast",
            value.as_str(),
        ];
        shop.inventory.ask("XADD", &add).await;
    }
    old
}

/// How many of the old dead letters are still in the store.
async fn old_letters(shop: &Shop) -> usize {
    let range = ["dead_letters", "-", "1000-0"];
    shop.inventory
        .ask("XRANGE", &range)
        .await
        .entries()
        .unwrap()
        .len()
}

/// Emits an entry that is no event, and waits until it is parked.
async fn park_one(shop: &Shop) {
    let fields = vec![("no".into(), "event".into())];
    shop.payments
        .add(OrderCompleted::STREAM.to_owned(), fields)
        .await;
    shop.wait_drained().await;
}

/// The values of the dead letters that the log has whole.
fn told(reader: &Reader) -> BTreeSet<String> {
    let mut letters: BTreeMap<String, BTreeMap<u64, String>> = BTreeMap::new();
    for line in reader
        .objects()
        .into_iter()
        .filter(|line| line["dead_letter"].is_string())
    {
        let text = |name: &str| line[name].as_str().unwrap().to_owned();
        let piece = line["piece"].as_u64().unwrap();
        letters
            .entry(text("dead_letter"))
            .or_default()
            .insert(piece, text("fields"));
    }
    let wholes = letters
        .into_values()
        .map(|pieces| pieces.into_values().collect::<String>());
    let fields = wholes.filter_map(|whole| serde_json::from_str::<Vec<[String; 2]>>(&whole).ok());
    fields
        .flatten()
        .filter(|[name, _]| name == "value")
        .map(|[_, value]| value)
        .collect()
}
