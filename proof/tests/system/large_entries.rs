//! Entries far larger than any event. Only an operator can add one, and no such entry may kill a
//! consumer.

use bytes::Bytes;
use shared::contract::event::{Event, OrderCompleted, RawFields, RefundOrder};
use stack::memory::{self, SERVICE_LIMIT};

use crate::harness::{Shop, completed};

const LARGE: usize = 200;
const BYTES: usize = 2_000_000;
const MIB: u64 = 1024 * 1024;

/// The large entries wait behind many good ones, so that the consumer reads as many at once as it
/// ever does.
#[tokio::test]
async fn two_hundred_entries_of_two_megabytes_are_parked_in_the_memory_of_a_container() {
    const CONSUMERS: [&str; 2] = ["inventory consume", "payments consume"];
    let builder = Shop::builder().without(CONSUMERS[0]).without(CONSUMERS[1]);
    let shop = Shop::start(builder).await;
    let product = shop.create_product("thing", 10_000).await;
    let good = |count| {
        (0..count)
            .map(|_| completed(product, 1))
            .collect::<Vec<_>>()
    };
    shop.emit(&good(500)).await;
    for _ in 0..LARGE {
        shop.payments
            .add(OrderCompleted::STREAM.to_owned(), large())
            .await;
        shop.inventory
            .add(RefundOrder::STREAM.to_owned(), large())
            .await;
    }
    shop.emit(&good(100)).await;
    for name in CONSUMERS {
        shop.system.process(name).restart().unwrap();
    }
    shop.wait_drained().await;

    assert_eq!(shop.stock(product).await, 10_000 - 600);
    for (store, name) in [
        (&shop.inventory, CONSUMERS[0]),
        (&shop.payments, CONSUMERS[1]),
    ] {
        let letters = store.dead_letters().await;
        assert_eq!(letters.len(), LARGE, "{name}");
        assert!(
            letters.iter().all(|letter| letter.reason == "too_large"),
            "{name}"
        );
        let process = shop.system.process(name);
        let peak = memory::peak(&process).unwrap();
        assert!(peak < SERVICE_LIMIT, "{name} used {} MiB", peak / MIB);
    }
}

fn large() -> RawFields {
    vec![("large".into(), Bytes::from(vec![b'x'; BYTES]))]
}
