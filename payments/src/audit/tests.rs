//! The comparison on all combinations of records.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::select;

use shared::contract::event::RefundReason;

use super::*;
use crate::domain::{PlaceOrder, Quote};

const SETTLED: Timestamp = Timestamp::EXAMPLE;
const MOVEMENT: EntryId = EntryId { ms: 7, sequence: 1 };

const STATUSES: [OrderStatus; 4] = [
    OrderStatus::Pending,
    OrderStatus::Paid,
    OrderStatus::Cancelled,
    OrderStatus::Refunded,
];
const OUTCOMES: [OrderRecord; 6] = [
    OrderRecord::Applied(MOVEMENT),
    OrderRecord::Rejected(RefundReason::InsufficientStock),
    OrderRecord::Rejected(RefundReason::ProductNotFound),
    OrderRecord::Released,
    OrderRecord::Forgotten,
    OrderRecord::Unknown,
];

const GIVEN_BACK: [GivenBack; 3] = [
    GivenBack::Nothing,
    GivenBack::OtherSale,
    GivenBack::ThisSale,
];

/// An order that came to this status `age` before everything is settled.
fn order(status: OrderStatus, quantity: u32, age: i64) -> Order {
    let at = Timestamp::from_millis(SETTLED.as_millis().checked_add_signed(-age).unwrap());
    let wanted = PlaceOrder {
        product_id: ProductId::EXAMPLE,
        quantity,
    };
    let price = "19.90".parse().unwrap();
    let quote = Quote::of(price, quantity, "0.20".parse().unwrap()).unwrap();
    let placed = Order::placed(OrderId::EXAMPLE, wanted, quote, at, at);
    let was_paid = matches!(status, OrderStatus::Paid | OrderStatus::Refunded);
    Order {
        status,
        paid_at: was_paid.then_some(at),
        cancelled_at: (status == OrderStatus::Cancelled).then_some(at),
        refunded_at: (status == OrderStatus::Refunded).then_some(at),
        ..placed
    }
}

/// The promise, in other words: paid with its stock taken, or the stock untouched.
fn agrees(status: OrderStatus, outcome: OrderRecord) -> bool {
    let taken = matches!(outcome, OrderRecord::Applied(_));
    match status {
        OrderStatus::Pending => false,
        // It is too young to be forgotten.
        OrderStatus::Paid => taken,
        OrderStatus::Cancelled | OrderStatus::Refunded => !taken,
    }
}

/// What a remedy leads to, by the rules of both services.
fn remedied(
    remedy: Remedy,
    status: OrderStatus,
    outcome: OrderRecord,
) -> (OrderStatus, OrderRecord) {
    match (remedy, outcome) {
        (Remedy::EmitAgain, OrderRecord::Unknown) => (status, OrderRecord::Applied(MOVEMENT)),
        (Remedy::EmitAgain, _) => (OrderStatus::Refunded, outcome),
        (Remedy::Release, _) => (status, OrderRecord::Released),
        (Remedy::ReleaseSurplus, _) => unreachable!("no order alone shows a surplus"),
    }
}

#[test]
fn an_order_may_be_forgotten_once_it_is_older_than_the_shortest_memory_and_not_before() {
    let kinds = |age: Duration| {
        let age = i64::try_from(age.as_millis()).unwrap();
        let order = order(OrderStatus::Paid, 1, age);
        let found = compare_order(&order, OrderRecord::Forgotten, SETTLED);
        found
            .into_iter()
            .map(|found| found.kind)
            .collect::<Vec<_>>()
    };
    let (day, moment) = (Duration::from_hours(24), Duration::from_millis(1));
    assert_eq!(kinds(day), [Kind::ForgottenEarly]);
    assert_eq!(
        kinds((7 * day).saturating_sub(moment)),
        [Kind::ForgottenEarly]
    );
    assert_eq!(kinds(7 * day), []);
    assert_eq!(
        Kind::ForgottenEarly.remedy(),
        None,
        "no store knows whether its stock was taken"
    );
}

proptest! {
    #[test]
    fn what_breaks_the_promise_is_found_and_every_remedy_keeps_it(
        status in select(&STATUSES[..]),
        outcome in select(&OUTCOMES[..]),
        quantity in 1_u32..1_000,
        age in -100_000_i64..100_000,
    ) {
        let found = compare_order(&order(status, quantity, age), outcome, SETTLED);
        let expected = age > 0 && !agrees(status, outcome);
        prop_assert_eq!(found.len(), usize::from(expected), "{:?}", found);
        for remedy in found.iter().filter_map(|found| found.kind.remedy()) {
            let (status, outcome) = remedied(remedy, status, outcome);
            prop_assert_eq!(compare_order(&order(status, quantity, age), outcome, SETTLED), []);
        }
    }

    #[test]
    fn a_total_that_does_not_add_up_is_found_at_any_time(
        quantity in 1_u32..1_000,
        age in -9_i64..9,
    ) {
        let mut order = order(OrderStatus::Paid, quantity, age);
        order.quote.total = order.quote.total.plus("0.01".parse().unwrap()).unwrap();
        let found = compare_order(&order, OrderRecord::Applied(MOVEMENT), SETTLED);
        let kinds: Vec<Kind> = found.iter().map(|found| found.kind).collect();
        prop_assert_eq!(kinds, [Kind::WrongTotal]);
    }

    #[test]
    fn a_sale_is_that_of_its_order_and_of_its_record_or_is_found(
        outcome in select(&OUTCOMES[..]),
        known: bool,
        same_product: bool,
        (quantity, delta) in (1_u32..5, -5_i64..0),
        sequence in 0_u64..2,
        given_back in select(&GIVEN_BACK[..]),
        counted: bool,
    ) {
        let order = order(OrderStatus::Paid, quantity, 1);
        let product_id = if same_product { ProductId::EXAMPLE } else { ProductId::mint() };
        let movement = EntryId { sequence, ..MOVEMENT };
        let sale = Sale { product_id, order_id: order.id, movement, delta, counted };
        let found = compare_sale(&sale, known.then_some(&order), outcome, given_back);
        let kinds: Vec<Kind> = found.iter().map(|found| found.kind).collect();
        let named = outcome == OrderRecord::Applied(movement);
        let is_known_surplus = match outcome {
            OrderRecord::Applied(_) => !named,
            OrderRecord::Rejected(_) => true,
            OrderRecord::Released => given_back == GivenBack::OtherSale,
            OrderRecord::Forgotten | OrderRecord::Unknown => false,
        };
        let open = given_back != GivenBack::ThisSale;
        let surplus = open && is_known_surplus && !counted;
        prop_assert_eq!(kinds.contains(&Kind::SoldTwice), surplus);
        let unrecorded = open && (outcome == OrderRecord::Unknown || is_known_surplus && counted);
        prop_assert_eq!(kinds.contains(&Kind::UnrecordedSale), unrecorded);
        prop_assert_eq!(kinds.contains(&Kind::UnknownOrder), !known && named);
        let other = known && !(same_product && delta == -i64::from(quantity));
        prop_assert_eq!(kinds.contains(&Kind::OtherSale), other);
    }
}
