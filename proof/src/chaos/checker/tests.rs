//! The checker finds each way in which the promise can be broken, and blames no other rule.

use super::Rule;
use super::fixture::{CANCELLED, PAID, REFUNDED, World, about};
use super::stores::{DeadLetter, Event, Record};
use crate::chaos::history::{Op, Outcome};

mod gone;

/// Changes the world of the fixture, and answers the rules that no longer hold.
fn broken(change: impl FnOnce(&mut World)) -> Vec<Rule> {
    let mut world = World::new();
    change(&mut world);
    world.broken()
}

#[test]
fn a_world_in_order_holds() {
    assert_eq!(broken(|_| {}), []);
}

#[test]
fn a_world_in_which_nothing_happened_holds_for_no_rule() {
    let findings = World {
        calls: Vec::new(),
        stores: super::Stores::default(),
        watch: super::Seen::default(),
        declared: super::Declared::default(),
        window_ms: 0,
        reconciled: false,
    }
    .findings();
    assert!(findings.iter().all(|finding| !finding.holds()));
    assert_eq!(findings.len(), 12);
}

#[test]
fn stock_that_its_ledger_does_not_explain_is_found() {
    assert!(broken(|world| world.product().stock = Some(1)).contains(&Rule::StockFollowsLedger));
    assert!(
        broken(|world| world.product().movements[2].balance = 1)
            .contains(&Rule::StockFollowsLedger)
    );
    assert_eq!(
        broken(|world| world.watch.violations.push("once".to_owned())),
        [Rule::StockFollowsLedger]
    );
    let negative = broken(|world| {
        world.product().movements.remove(1);
        world.product().movements[1].balance = -1;
        world.product().stock = Some(-1);
    });
    assert!(negative.contains(&Rule::StockFollowsLedger));
}

#[test]
fn stock_that_was_taken_twice_for_one_order_is_found() {
    let broken = broken(|world| {
        let mut again = world.product().movements[2].clone();
        world.product().movements[1].delta = 2;
        world.product().movements[1].balance = 2;
        world.product().movements[2].balance = 1;
        again.entry = "13-0".to_owned();
        world.product().movements.push(again);
    });
    assert_eq!(broken, [Rule::StockRecounts, Rule::EffectsHappenOnce]);
}

#[test]
fn money_that_does_not_add_up_is_found() {
    assert_eq!(
        broken(|world| world.stores.account = Some((600, 0))),
        [Rule::MoneyIsExact]
    );
    assert!(broken(|world| world.order(PAID).fee = 51).contains(&Rule::MoneyIsExact));
    assert!(broken(|world| world.order(PAID).total = 301).contains(&Rule::MoneyIsExact));
    assert!(
        broken(|world| world.order(CANCELLED).paid_at = Some(1_300)).contains(&Rule::MoneyIsExact)
    );
    assert!(
        broken(|world| world.stores.completed.entries[0].total = 1).contains(&Rule::MoneyIsExact)
    );
}

#[test]
fn stores_that_disagree_are_found() {
    let rejected = |world: &mut World| {
        world.order(REFUNDED).status = "paid".to_owned();
        world.order(REFUNDED).refunded_at = None;
        world.stores.account = Some((600, 0));
    };
    assert_eq!(
        broken(rejected),
        [Rule::StoresAgree],
        "a refund that was never made"
    );
    let unknown = |world: &mut World| {
        world.stores.records.remove(REFUNDED);
        world.stores.refunds.entries.clear();
        world.stores.refunds.added = 0;
    };
    assert_eq!(
        broken(unknown),
        [Rule::StoresAgree],
        "an event that was never acted on"
    );
    let cancelled = |world: &mut World| {
        world
            .stores
            .records
            .insert(CANCELLED.to_owned(), vec![Record::Refused]);
    };
    assert!(
        broken(cancelled).contains(&Rule::StoresAgree),
        "a cancelled order that was acted on"
    );
    assert!(
        broken(|world| world.order(PAID).status = "pending".to_owned())
            .contains(&Rule::StoresAgree)
    );
}

#[test]
fn what_was_acknowledged_and_is_not_there_is_found() {
    let lost = broken(|world| world.forget(CANCELLED));
    assert!(lost.contains(&Rule::AcknowledgedExists) && lost.contains(&Rule::LossWithinBound));
    let again = |world: &mut World| {
        let mut twin = world.stores.orders[CANCELLED].clone();
        twin.request = "request-3b".to_owned();
        world
            .stores
            .orders
            .insert("order-cancelled-too".to_owned(), twin);
        let mut call = world.calls[2].clone();
        call.request = "request-3b".to_owned();
        world.calls.push(call);
    };
    assert_eq!(
        broken(again),
        [Rule::AcknowledgedExists],
        "one key, two orders"
    );
    let other = |world: &mut World| {
        let mut call = world.calls[0].clone();
        call.order.as_mut().unwrap().fixed = "something else".to_owned();
        world.calls.push(call);
    };
    assert_eq!(
        broken(other),
        [Rule::AcknowledgedExists],
        "one key, two answers"
    );
    assert_eq!(
        broken(|world| world.calls[0].outcome = Outcome::Fail),
        [Rule::AcknowledgedExists]
    );
    let undone = |world: &mut World| world.calls.push(about(Op::Cancel, PAID, "cancelled", 200));
    assert!(
        broken(undone).contains(&Rule::AcknowledgedExists),
        "a cancellation that was confirmed"
    );
    let restock = |world: &mut World| world.product().movements[1].note = None;
    assert_eq!(
        broken(restock),
        [Rule::AcknowledgedExists],
        "a restock that was confirmed"
    );
}

#[test]
fn effects_that_are_not_single_are_found() {
    let twice = |world: &mut World| {
        world
            .stores
            .records
            .get_mut(REFUNDED)
            .unwrap()
            .push(Record::Refused);
    };
    assert_eq!(broken(twice), [Rule::EffectsHappenOnce]);
    let unrecorded = |world: &mut World| {
        world.stores.records.remove(PAID);
    };
    assert!(broken(unrecorded).contains(&Rule::EffectsHappenOnce));
    let without = |world: &mut World| world.product().movements[2].order = None;
    assert!(broken(without).contains(&Rule::EffectsHappenOnce));
}

#[test]
fn effects_out_of_nowhere_are_found() {
    let unasked = |world: &mut World| world.order(CANCELLED).request = "unknown".to_owned();
    assert!(broken(unasked).contains(&Rule::NothingInvented));
    let other = |world: &mut World| world.order(CANCELLED).quantity = 2;
    assert!(broken(other).contains(&Rule::NothingInvented));
    let event = |world: &mut World| {
        world.stores.completed.entries[0].order = CANCELLED.to_owned();
    };
    assert!(broken(event).contains(&Rule::NothingInvented));
    let refund = |world: &mut World| world.stores.refunds.entries[0].order = PAID.to_owned();
    assert_eq!(broken(refund), [Rule::NothingInvented]);
}

#[test]
fn a_status_that_went_back_is_found() {
    let back = |world: &mut World| world.calls.push(about(Op::Read, PAID, "pending", 600));
    assert_eq!(broken(back), [Rule::StatusNeverGoesBack]);
    let last = |world: &mut World| world.calls.push(about(Op::Read, PAID, "refunded", 600));
    assert_eq!(
        broken(last),
        [Rule::StatusNeverGoesBack],
        "what is in the store counts as well"
    );
}

#[test]
fn a_payment_before_its_time_is_found() {
    assert_eq!(
        broken(|world| world.order(PAID).paid_at = Some(1_299)),
        [Rule::NeverPaidEarly]
    );
}

#[test]
fn whatever_is_left_over_is_found() {
    assert_eq!(
        broken(|world| world.stores.due.push(PAID.to_owned())),
        [Rule::NothingLeftOver]
    );
    assert_eq!(
        broken(|world| world.stores.attempts.push("entry 1-0: 1".to_owned())),
        [Rule::NothingLeftOver]
    );
    let pending = |world: &mut World| {
        world
            .stores
            .completed
            .groups
            .get_mut("inventory-group")
            .unwrap()
            .0 = 1;
    };
    assert_eq!(broken(pending), [Rule::NothingLeftOver]);
    assert_eq!(
        broken(|world| world.stores.refunds.groups.clear()),
        [Rule::NothingLeftOver]
    );
    let unread = |world: &mut World| {
        let unread = Event {
            entry: "9-0".to_owned(),
            ..world.stores.completed.entries[0].clone()
        };
        world.stores.completed.entries.push(unread);
        world.stores.completed.added += 1;
        world.stores.completed.last = "9-0".to_owned();
    };
    assert_eq!(broken(unread), [Rule::NothingLeftOver]);
    assert_eq!(
        broken(|world| world.stores.dead_letters.clear()),
        [Rule::NothingLeftOver]
    );
    let needless = |world: &mut World| {
        let first = world.stores.dead_letters[0].clone();
        let letter = DeadLetter {
            poison: false,
            entry: "1-0".to_owned(),
            ..first
        };
        world.stores.dead_letters.push(letter);
    };
    assert_eq!(broken(needless), [Rule::NothingLeftOver]);
}
