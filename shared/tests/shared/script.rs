//! A handler whose outcome is the quantity of the order.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use shared::contract::event::OrderCompleted;
use shared::contract::id::{OrderId, ProductId};
use shared::contract::time::Timestamp;
use shared::contract::trace::{RequestId, TraceParent};
use shared::redis::{Code, RedisError};
use shared::stream::delivery::{Delivered, Handler, Parking, Settlement};
use tokio::sync::Notify;
use tokio::time::Instant;

/// The handler. Its clones share one list of calls.
#[derive(Clone, Default)]
pub(crate) struct Script {
    calls: Arc<Mutex<Vec<Call>>>,
    parked: Arc<Mutex<Vec<(u32, &'static str)>>>,
    let_go: Arc<Notify>,
}

/// One batch that the handler got.
#[derive(Clone, Debug)]
pub(crate) struct Call {
    pub(crate) at: Instant,
    pub(crate) orders: Vec<(OrderId, u32)>,
}

/// The handler succeeds.
pub(crate) const DONE: u32 = 1;
/// The handler fails each time, and asks for another attempt.
pub(crate) const RETRY: u32 = 2;
/// The handler says that no attempt can succeed.
pub(crate) const PARK: u32 = 3;
/// The handler fails twice, and succeeds at the third attempt.
pub(crate) const RETRY_TWICE: u32 = 4;
/// The store refuses the whole batch that contains this entry.
pub(crate) const REFUSE: u32 = 5;
/// The store is unreachable at the first two attempts.
pub(crate) const AWAY_TWICE: u32 = 6;
/// The handler never answers, as if the process had died.
pub(crate) const DIE: u32 = 7;
/// The handler succeeds once [`Script::let_go`] is called.
pub(crate) const HELD: u32 = 8;
/// The store is unreachable at each attempt.
pub(crate) const AWAY: u32 = 9;
/// The handler fails at the first attempt, and never answers at the second one.
pub(crate) const FAIL_THEN_DIE: u32 = 10;
/// The store is unreachable at the first [`LONG`] attempts, and each takes a while to fail.
pub(crate) const AWAY_LONG: u32 = 11;
/// Like [`PARK`], and the store is unreachable when the handler first learns of the dead letter.
pub(crate) const PARK_AWAY: u32 = 12;
/// Like [`PARK`], and the store refuses what the handler does about the dead letter.
pub(crate) const PARK_REFUSED: u32 = 13;
/// How long such an attempt takes, like a wait for a replica that is away.
const FAILURE_TIME: Duration = Duration::from_millis(100);
/// The number of attempts of an order of [`AWAY_LONG`] that fail.
pub(crate) const LONG: usize = 8;

impl Script {
    /// All batches that the handler got so far.
    pub(crate) fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    /// The quantities of the orders that became dead letters, each with the reason, as the handler
    /// learned of them.
    pub(crate) fn parked(&self) -> Vec<(u32, &'static str)> {
        self.parked.lock().unwrap().clone()
    }

    /// Lets the handler succeed on the orders it holds.
    pub(crate) fn let_go(&self) {
        self.let_go.notify_one();
    }

    /// The batches that had orders of this quantity.
    pub(crate) fn calls_with(&self, quantity: u32) -> Vec<Call> {
        let mut calls = self.calls();
        calls.retain(|call| call.orders.iter().any(|(_, found)| *found == quantity));
        calls
    }

    /// How often the handler got each order of this quantity.
    pub(crate) fn times(&self, quantity: u32) -> Vec<usize> {
        let mut times = BTreeMap::new();
        for (id, found) in self.calls().into_iter().flat_map(|call| call.orders) {
            if found == quantity {
                *times.entry(id).or_insert(0) += 1;
            }
        }
        times.into_values().collect()
    }

    fn times_of(&self, id: OrderId) -> usize {
        let calls = self.calls();
        let ids = calls.iter().flat_map(|call| &call.orders);
        ids.filter(|(found, _)| *found == id).count()
    }

    fn settle(&self, event: &OrderCompleted) -> Settlement {
        match event.quantity {
            RETRY | FAIL_THEN_DIE => Settlement::Retry("not yet".to_owned()),
            RETRY_TWICE if self.times_of(event.order_id) <= 2 => {
                Settlement::Retry("not yet".to_owned())
            }
            PARK | PARK_AWAY | PARK_REFUSED => Settlement::Park(Parking {
                reason: "hopeless",
                detail: "it will never work".to_owned(),
            }),
            _ => Settlement::Done,
        }
    }
}

impl Handler for Script {
    type Event = OrderCompleted;

    async fn handle(
        &self,
        batch: &[Delivered<'_, OrderCompleted>],
    ) -> Result<Vec<Settlement>, RedisError> {
        let events: Vec<&OrderCompleted> = batch.iter().map(|delivered| &delivered.event).collect();
        let orders = events
            .iter()
            .map(|event| (event.order_id, event.quantity))
            .collect();
        let at = Instant::now();
        self.calls.lock().unwrap().push(Call { at, orders });
        let dies = |event: &&OrderCompleted| match event.quantity {
            DIE => true,
            FAIL_THEN_DIE => self.times_of(event.order_id) > 1,
            _ => false,
        };
        if events.iter().copied().any(|event| dies(&event)) {
            std::future::pending::<()>().await;
        }
        if events.iter().any(|event| event.quantity == HELD) {
            self.let_go.notified().await;
        }
        if events.iter().any(|event| event.quantity == REFUSE) {
            return Err(RedisError::Refused {
                code: Code::WrongType,
                message: "WRONGTYPE a key".to_owned(),
            });
        }
        let away = |event: &&&OrderCompleted| event.quantity == AWAY_TWICE;
        if let Some(event) = events.iter().find(away)
            && self.times_of(event.order_id) <= 2
        {
            return Err(RedisError::unknown("it is away"));
        }
        let away = |event: &&&OrderCompleted| event.quantity == AWAY_LONG;
        if let Some(event) = events.iter().find(away)
            && self.times_of(event.order_id) <= LONG
        {
            tokio::time::sleep(FAILURE_TIME).await;
            return Err(RedisError::unknown("it is away"));
        }
        if events.iter().any(|event| event.quantity == AWAY) {
            return Err(RedisError::unknown("it is away"));
        }
        Ok(events.iter().map(|event| self.settle(event)).collect())
    }

    async fn parked(&self, event: &OrderCompleted, parking: &Parking) -> Result<(), RedisError> {
        let mut parked = self.parked.lock().unwrap();
        parked.push((event.quantity, parking.reason));
        match (event.quantity, parked.len()) {
            (PARK_AWAY, 1) => Err(RedisError::unknown("it is away")),
            (PARK_REFUSED, _) => Err(RedisError::malformed("a record", "odd")),
            _ => Ok(()),
        }
    }
}

/// An event about an order of this quantity.
pub(crate) fn order(quantity: u32) -> OrderCompleted {
    let order_id = OrderId::mint();
    OrderCompleted {
        order_id,
        ordered_at: order_id.minted_at().unwrap(),
        product_id: ProductId::mint(),
        quantity,
        price: "1.00".parse().unwrap(),
        fee: "0.20".parse().unwrap(),
        total: "1.20".parse().unwrap(),
        time: Timestamp::from_millis(1_763_632_806_410),
        traceparent: TraceParent::mint(),
        request_id: RequestId::mint(),
    }
}
