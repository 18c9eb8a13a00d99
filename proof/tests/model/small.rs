//! The small systems that are explored completely. Each asks one question about all histories.

use std::sync::Arc;

use crate::exhaustive::{Extra, Small};
use crate::faults::Fault;
use crate::planted::Planted;
use crate::role::Role;
use crate::rules::{Profile, Rules};
use crate::store::Side;
use crate::stream::Time;
use crate::world::{Action, Size};

const STORES: [Side; 2] = [Side::Payments, Side::Inventory];

/// All small systems.
pub(crate) fn systems() -> Vec<Small> {
    [that_keep_everything(), that_forget()].concat()
}

/// Systems whose stores keep every answered change.
fn that_keep_everything() -> Vec<Small> {
    vec![
        Small {
            extras: vec![crash(3), claim(2)],
            ..shop(
                "a consumer dies and another takes over",
                Profile::Durable,
                2,
                2,
            )
        },
        Small {
            extras: vec![some(1, STORES.map(Fault::Restart)), crash(2)],
            ..shop(
                "a store restarts and a consumer dies",
                Profile::Durable,
                2,
                1,
            )
        },
        Small {
            extras: vec![
                some(1, [Role::Orders, Role::Refunds].map(Fault::DestroyGroup)),
                crash(3),
            ],
            ..shop(
                "a group is destroyed while two consume",
                Profile::Durable,
                1,
                2,
            )
        },
        Small {
            extras: vec![
                some(1, STORES.map(Fault::Empty)),
                some(1, STORES.map(Fault::Restore)),
            ],
            ..shop("a store is emptied and restored", Profile::Durable, 2, 1)
        },
        Small {
            extras: visits(),
            placed: 0,
            ..shop("clients repeat and cancel", Profile::Durable, 2, 1)
        },
    ]
}

/// Systems whose stores forget.
fn that_forget() -> Vec<Small> {
    vec![
        Small {
            extras: vec![lag(Side::Inventory), restart(Side::Inventory), crash(1)],
            ..at_once(shop("inventory forgets", Profile::Lossy, 2, 1))
        },
        Small {
            extras: vec![lag(Side::Inventory), restart(Side::Inventory), crash(1)],
            ..at_once(shop(
                "inventory forgets while two consume",
                Profile::Lossy,
                1,
                2,
            ))
        },
        Small {
            extras: vec![lag(Side::Payments), restart(Side::Payments), crash(1)],
            ..at_once(shop("payments forgets", Profile::Lossy, 2, 1))
        },
        forgetful(shop("both stores forget an order", Profile::Lossy, 1, 1)),
        gone(shop(
            "inventory forgets, and all of payments is gone",
            Profile::Lossy,
            1,
            1,
        )),
        once(sold_out(shop(
            "either store forgets a refund",
            Profile::Lossy,
            1,
            1,
        ))),
        forgetful(shop(
            "both stores fail over with an order",
            Profile::Gated,
            1,
            1,
        )),
        once(sold_out(shop(
            "either store fails over with a refund",
            Profile::Gated,
            1,
            1,
        ))),
    ]
}

/// The system that shows a planted bug which random histories seldom meet.
pub(crate) fn system_for(planted: Planted) -> Option<Small> {
    let shop = |profile| shop("a system for a planted bug", profile, 1, 1);
    let small = match planted {
        Planted::PassOverNothing => gone(shop(Profile::Lossy)),
        Planted::DedupeByEntryId => {
            let shop = forgetful(shop(Profile::Lossy));
            Small {
                size: Size {
                    stock: vec![2],
                    ..shop.size
                },
                ticks: 1,
                ..shop
            }
        }
        Planted::WaitWithoutPing => forgetful(shop(Profile::Gated)),
        _ => return None,
    };
    let rules = Rules {
        planted: Some(planted),
        ..quick(small.rules.profile, 0)
    };
    Some(Small {
        rules: Arc::new(rules),
        ..small
    })
}

impl Small {
    /// The same system without its bug.
    pub(crate) fn without_bug(&self) -> Self {
        let rules = Rules {
            planted: None,
            ..quick(self.rules.profile, 0)
        };
        Self {
            rules: Arc::new(rules),
            ..self.clone()
        }
    }
}

/// inventory forgets its last changes. payments loses all its data, and is restored.
fn gone(small: Small) -> Small {
    let side = Side::Inventory;
    let payments = [Fault::Empty(Side::Payments), Fault::Restore(Side::Payments)];
    Small {
        extras: vec![lag(side), restart(side), some(2, payments)],
        ..at_once(small)
    }
}

/// A system with `orders` orders for the last piece, `consumers` consumers of orders, and one
/// consumer of refunds.
pub(crate) fn shop(name: &'static str, profile: Profile, orders: usize, consumers: usize) -> Small {
    let delay = 1;
    let size = Size {
        stock: vec![1],
        wishes: vec![0; orders],
        order_consumers: consumers,
        refund_consumers: 1,
    };
    // An idle time of 0 stands for a clock that jumps: every wait is long enough for a takeover.
    let rules = Arc::new(quick(profile, delay));
    Small {
        name,
        rules,
        size,
        placed: orders,
        ticks: delay,
        extras: Vec::new(),
    }
}

/// Without losses the checkpoints have no effect, so they do not move.
fn quick(profile: Profile, delay: Time) -> Rules {
    let rules = Rules::new(profile);
    let step = if profile == Profile::Durable {
        Time::MAX / 2
    } else {
        rules.step
    };
    Rules {
        delay,
        reclaim_idle: 0,
        step,
        ..rules
    }
}

/// Orders are due at once, because these histories are not about the clock.
fn at_once(mut small: Small) -> Small {
    let profile = small.rules.profile;
    small.rules = Arc::new(quick(profile, 0));
    Small { ticks: 0, ..small }
}

/// Each store falls behind and loses its tail once.
pub(crate) fn forgetful(small: Small) -> Small {
    let extras = STORES
        .iter()
        .flat_map(|side| [lag(*side), restart(*side)])
        .collect();
    Small {
        extras,
        ..at_once(small)
    }
}

/// One of the two stores falls behind and loses its tail once.
fn once(small: Small) -> Small {
    let extras = vec![
        some(1, STORES.map(Fault::FallBehind)),
        some(1, STORES.map(Fault::Restart)),
    ];
    Small {
        extras,
        ..at_once(small)
    }
}

pub(crate) fn sold_out(small: Small) -> Small {
    Small {
        size: Size {
            stock: vec![0],
            ..small.size
        },
        ..small
    }
}

fn some(times: u8, faults: impl IntoIterator<Item = Fault>) -> Extra {
    Extra {
        any_of: faults.into_iter().map(Action::Fault).collect(),
        times,
    }
}

fn lag(side: Side) -> Extra {
    some(1, [Fault::FallBehind(side)])
}

fn restart(side: Side) -> Extra {
    some(1, [Fault::Restart(side)])
}

pub(crate) fn crash(consumers: usize) -> Extra {
    some(1, (0..consumers).map(|consumer| Fault::Crash { consumer }))
}

fn claim(consumers: usize) -> Extra {
    Extra {
        any_of: (0..consumers)
            .map(|consumer| Action::Claim { consumer })
            .collect(),
        times: 1,
    }
}

/// Two clients send three requests in all, one of them cancels, and the product is deleted.
fn visits() -> Vec<Extra> {
    let answers = || {
        [0, 1]
            .into_iter()
            .flat_map(|client| [(client, true), (client, false)])
    };
    let post = answers().map(|(client, answered)| Action::Post { client, answered });
    let cancel = answers().map(|(client, answered)| Action::Cancel { client, answered });
    vec![
        Extra {
            any_of: post.collect(),
            times: 3,
        },
        Extra {
            any_of: cancel.collect(),
            times: 1,
        },
        Extra {
            any_of: vec![Action::Delete { product: 0 }],
            times: 1,
        },
    ]
}
