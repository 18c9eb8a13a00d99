//! The checker finds missing data, unless a crash or a trim excuses it.

use std::time::Duration;

use super::broken;
use crate::chaos::checker::Rule;
use crate::chaos::checker::fixture::{CANCELLED, PAID, REFUNDED, THING, World};
use crate::chaos::checker::stores::Record;

#[test]
fn an_entry_that_is_gone_is_found() {
    assert_eq!(
        broken(|world| world.stores.completed.added += 1),
        [Rule::NothingTrimmedUnread]
    );
}

#[test]
fn what_was_trimmed_by_hand_excuses_its_orders_and_no_others_until_it_is_repaired() {
    let trim = |world: &mut World| {
        world.trim(REFUNDED, true);
        world.stores.records.remove(REFUNDED);
        world.stores.refunds.entries.clear();
        world.stores.refunds.added = 0;
        world.order(REFUNDED).status = "paid".to_owned();
        world.order(REFUNDED).refunded_at = None;
        world.stores.account = Some((600, 0));
    };
    assert_eq!(broken(trim), []);
    let repaired = |world: &mut World| {
        trim(world);
        world.reconciled = true;
    };
    assert_eq!(broken(repaired), [Rule::StoresAgree]);
    let another = |world: &mut World| {
        trim(world);
        world.declared.trimmed[0].order = PAID.to_owned();
    };
    assert!(broken(another).contains(&Rule::StoresAgree));
}

#[test]
fn a_loss_is_excused_by_a_crash_shortly_after_it_and_by_nothing_else() {
    let lost = |crash_ms: Option<u64>| {
        broken(|world| {
            world.window_ms = 3_000;
            world.calls[2].invoked = Duration::from_millis(7);
            world.forget(CANCELLED);
            if let Some(at) = crash_ms {
                world.crash(at);
            }
        })
    };
    assert_eq!(lost(Some(2_000)), []);
    assert_eq!(
        lost(Some(4_000)),
        [Rule::AcknowledgedExists, Rule::LossWithinBound],
        "long after it"
    );
    assert_eq!(
        lost(Some(5)),
        [Rule::AcknowledgedExists, Rule::LossWithinBound],
        "before it"
    );
    assert_eq!(
        lost(None),
        [Rule::AcknowledgedExists, Rule::LossWithinBound]
    );
}

#[test]
fn stock_of_an_order_that_payments_lost_has_to_be_given_back() {
    let orphan = |world: &mut World| {
        world.window_ms = 3_000;
        world.reconciled = true;
        world.crash(1_000);
        world.forget(PAID);
    };
    assert!(broken(orphan).contains(&Rule::StoresAgree));
    let released = |world: &mut World| {
        orphan(world);
        let product = world.stores.products.get_mut(THING).unwrap();
        let mut release = product.movements[2].clone();
        release.kind = "release".to_owned();
        (release.delta, release.balance) = (1, 1);
        release.entry = "13-0".to_owned();
        product.movements.push(release);
        product.stock = Some(1);
        world
            .stores
            .records
            .insert(PAID.to_owned(), vec![Record::Refused]);
    };
    assert_eq!(broken(released), []);
}
