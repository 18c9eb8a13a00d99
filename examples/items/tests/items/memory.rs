//! The memory that writes take in the store: the README has the figures, and a server is measured.

use items::domain::{Enqueued, Ticket};
use items::store::ItemStore;
use shared::contract::trace::RequestContext;
use shared::store::claim::{Claim, Once};
use shared::store::partition::Partitions;

use crate::harness::{LIMITS, lone_store, operate};
use crate::partitions::delivered;

const README: &str = include_str!("../../README.md");
const WRITES: u64 = 4_000;
/// The bytes of a name: the figures are those of names of up to this length.
const NAME: usize = 64;
const VALUE: u64 = 100;
/// The most writes of one call.
const BATCH: usize = 100;

/// What the store has given out for one of the writes, in bytes.
#[derive(Clone, Copy, Default)]
struct Used {
    queued: u64,
    ended: u64,
    /// Of both, what the entry of the write takes.
    entry: u64,
}

/// Queues writes and applies them. `item` and `key` make the name and the idempotency key of a write
/// from its number.
async fn used(item: fn(u64) -> u64, key: Option<fn(u64) -> u64>) -> Used {
    let (redis, store) = lone_store(Partitions::NONE, LIMITS).await;
    let memory = async || -> u64 {
        let info: String = operate(&redis, &["INFO", "memory"]).await;
        let mut lines = info.lines();
        let used = lines.find_map(|line| line.strip_prefix("used_memory:"));
        used.unwrap().trim().parse().unwrap()
    };
    let before = memory().await;
    let mut tickets = Vec::new();
    for number in 0..WRITES {
        let claim = key.map(|key| {
            let key = format!("{:036}", key(number)).parse().unwrap();
            Claim::new(key, &number)
        });
        tickets.push(queue(&store, item(number), claim.as_ref()).await);
    }
    let queued = memory().await;
    for tickets in tickets.chunks(BATCH) {
        let writes: Vec<_> = tickets.iter().map(delivered).collect();
        store.apply_writes(&writes).await.unwrap();
    }
    let ended = memory().await;
    let stream: u64 = operate(&redis, &["MEMORY", "USAGE", "writes", "SAMPLES", "0"]).await;
    Used {
        queued: (queued - before) / WRITES,
        ended: (ended - before) / WRITES,
        entry: stream / WRITES,
    }
}

async fn queue(store: &ItemStore, item: u64, claim: Option<&Claim>) -> Ticket {
    let id = format!("{item:0NAME$}").parse().unwrap();
    let value = "v".repeat(usize::try_from(VALUE).unwrap()).parse().unwrap();
    let context = RequestContext::mint();
    let queued = store.enqueue_write(&id, &value, &context, claim).await;
    match queued.unwrap() {
        Once::Now(Enqueued::Queued(ticket)) => ticket,
        other => panic!("{other:?}"),
    }
}

/// The figure in a row of the table of the README.
fn figure(row: &str) -> u64 {
    let row = README.split(&format!("\n| {row} | ")).nth(1).unwrap();
    let cell = row.split('|').next().unwrap();
    let number = cell.rsplit("about ").next().unwrap().trim();
    number.parse().unwrap()
}

/// Each figure may be wrong by a quarter: servers of another version give out other sizes.
#[tokio::test]
async fn the_readme_has_the_memory_that_a_server_gives_out() {
    let (one, many) = (|_| 0, |number| number);
    let of_one_item = used(one, None).await;
    let of_many_items = used(many, None).await;
    let with_keys = used(one, Some(many)).await;
    for (row, measured) in [
        (
            "a queued write",
            of_one_item.queued - of_one_item.entry - VALUE,
        ),
        (
            "the ticket of an ended write",
            of_one_item.ended - of_one_item.entry,
        ),
        ("an entry of the stream", of_one_item.entry),
        ("an item", of_many_items.ended - of_one_item.ended - VALUE),
        (
            "the answer to an `Idempotency-Key`",
            with_keys.ended - of_one_item.ended,
        ),
    ] {
        let figure = figure(row);
        let bounds = figure * 3 / 4..=figure * 5 / 4;
        assert!(bounds.contains(&measured), "{row}: {measured} bytes");
    }
}
