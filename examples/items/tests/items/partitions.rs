//! Partitions: an item, its tickets and its entries lie in one partition.

use items::domain::{Applied, Enqueued, Ticket, WriteQueued};
use shared::contract::event::Event;
use shared::contract::trace::RequestContext;
use shared::store::claim::Once;
use shared::store::partition::Partitions;
use shared::stream::delivery::Delivered;

use crate::harness::{LIMITS, System, lone_store, operate};

#[tokio::test]
async fn items_are_spread_over_partitions_and_found_again() {
    let partitions = Partitions::new(4.try_into().unwrap());
    let (redis, store) = lone_store(partitions, LIMITS).await;
    let context = RequestContext::mint();
    for number in 0..40 {
        let (id, value) = (
            format!("item {number}").parse().unwrap(),
            "tea".parse().unwrap(),
        );
        let queued = store
            .enqueue_write(&id, &value, &context, None)
            .await
            .unwrap();
        let Once::Now(Enqueued::Queued(ticket)) = queued else {
            panic!("{queued:?}");
        };
        assert_eq!(
            store.find_ticket(ticket.id).await.unwrap(),
            Some(ticket.clone())
        );
        assert_eq!(store.find_item(&id).await.unwrap(), None);
        let applied = store.apply_writes(&[delivered(&ticket)]).await.unwrap();
        assert_eq!(applied, [Applied::Now]);
        assert_eq!(store.find_item(&id).await.unwrap().unwrap().value, "tea");
    }
    let mut entries = Vec::new();
    for partition in partitions.all() {
        let stream = partition.key(WriteQueued::STREAM);
        entries.push(operate::<u64>(&redis, &["XLEN", &stream]).await);
    }
    assert_eq!(entries.iter().sum::<u64>(), 40);
    assert!(entries.iter().all(|&count| count > 0), "{entries:?}");
}

#[tokio::test]
async fn workers_apply_the_writes_of_all_partitions() {
    let system = System::start_with(2, &[("PARTITIONS", "4")]).await;
    let mut tickets = Vec::new();
    for number in 0..40 {
        let name = format!("item-{}", number % 20);
        tickets.push(system.write(&name, &number.to_string()).await);
    }
    for ticket in &tickets {
        assert_eq!(system.ended(ticket).await["status"], "applied");
    }
    for item in 0..20 {
        let value = system.value(&format!("item-{item}")).await;
        assert_eq!(value, (20 + item).to_string());
    }
}

/// The event of a queued write.
pub(crate) fn delivered(ticket: &Ticket) -> Delivered<'static, WriteQueued> {
    let RequestContext {
        request_id,
        traceparent,
    } = RequestContext::mint();
    Delivered {
        entry_id: "1-1",
        event: WriteQueued {
            ticket_id: ticket.id,
            item_id: ticket.item_id.clone(),
            version: ticket.version,
            time: ticket.queued_at,
            traceparent,
            request_id,
        },
    }
}
