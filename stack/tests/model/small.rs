//! The small systems that are explored completely. Each asks one question of all histories.

use std::sync::Arc;

use crate::consumer::Role;
use crate::exhaustive::{Extra, Small};
use crate::faults::Fault;
use crate::rules::{Profile, Rules};
use crate::store::Side;
use crate::world::{Action, Size};

const STORES: [Side; 2] = [Side::Payments, Side::Inventory];

/// All of them.
pub(crate) fn systems() -> Vec<Small> {
    vec![
        Small {
            extras: vec![crash(3), claim(2)],
            ..shop("a consumer dies and another takes over", Profile::Durable, 2, 2)
        },
        Small {
            extras: vec![some(1, STORES.map(Fault::Restart)), crash(2)],
            ..shop("a store restarts and a consumer dies", Profile::Durable, 2, 1)
        },
        Small {
            extras: vec![some(1, [Role::Orders, Role::Refunds].map(Fault::DestroyGroup)), crash(3)],
            ..shop("a group is destroyed while two consume", Profile::Durable, 1, 2)
        },
        Small {
            extras: vec![some(1, STORES.map(Fault::Empty)), some(1, STORES.map(Fault::Restore))],
            ..shop("a store is emptied and restored", Profile::Durable, 2, 1)
        },
        Small {
            extras: visits(),
            placed: 0,
            ..shop("clients repeat and cancel", Profile::Durable, 2, 1)
        },
        Small {
            extras: vec![lag(1, Side::Inventory), restart(1, Side::Inventory), crash(3)],
            ..shop("inventory forgets while two consume", Profile::Lossy, 1, 2)
        },
        Small {
            extras: vec![lag(1, Side::Payments), restart(1, Side::Payments), crash(2)],
            ..shop("payments forgets", Profile::Lossy, 2, 1)
        },
        Small {
            extras: STORES.iter().flat_map(|side| [lag(1, *side), restart(1, *side)]).collect(),
            ..shop("both stores forget", Profile::Lossy, 1, 1)
        },
        Small {
            extras: STORES.iter().flat_map(|side| [lag(1, *side), restart(1, *side)]).collect(),
            ..shop("both stores fail over behind a gate", Profile::Gated, 1, 1)
        },
    ]
}

/// As many orders for the last piece, as many consumers that take it, and one for the refunds.
fn shop(name: &'static str, profile: Profile, orders: usize, consumers: usize) -> Small {
    let delay = 1;
    let size = Size {
        stock: vec![1],
        wishes: vec![0; orders],
        order_consumers: consumers,
        refund_consumers: 1,
    };
    // A clock that jumps makes every wait long enough for a takeover.
    let rules = Arc::new(Rules { delay, reclaim_idle: 0, ..Rules::new(profile) });
    Small { name, rules, size, placed: orders, ticks: delay, extras: Vec::new() }
}

fn some(times: u8, faults: impl IntoIterator<Item = Fault>) -> Extra {
    Extra { any_of: faults.into_iter().map(Action::Fault).collect(), times }
}

fn lag(times: u8, side: Side) -> Extra {
    some(times, [Fault::FallBehind(side)])
}

fn restart(times: u8, side: Side) -> Extra {
    some(times, [Fault::Restart(side)])
}

fn crash(consumers: usize) -> Extra {
    some(1, (0..consumers).map(|consumer| Fault::Crash { consumer }))
}

fn claim(consumers: usize) -> Extra {
    Extra { any_of: (0..consumers).map(|consumer| Action::Claim { consumer }).collect(), times: 1 }
}

/// Two clients come three times, one of them changes its mind, and the product is deleted.
fn visits() -> Vec<Extra> {
    let answers = || [0, 1].into_iter().flat_map(|client| [(client, true), (client, false)]);
    let post = answers().map(|(client, answered)| Action::Post { client, answered });
    let cancel = answers().map(|(client, answered)| Action::Cancel { client, answered });
    vec![
        Extra { any_of: post.collect(), times: 3 },
        Extra { any_of: cancel.collect(), times: 1 },
        Extra { any_of: vec![Action::Delete { product: 0 }], times: 1 },
    ]
}
