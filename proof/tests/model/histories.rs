//! Random histories of large systems. The same seed runs the same history again.

use fastrand::Rng;

use crate::faults::Fault;
use crate::peace::verdict;
use crate::planted::Planted;
use crate::properties::broken;
use crate::role::Role;
use crate::rules::{Profile, Rules};
use crate::store::Side;
use crate::world::{Action, Size, World};

/// Clients of one history. Each has one order.
const CLIENTS: usize = 30;
/// Products, and the most pieces of each at the beginning.
const PRODUCTS: usize = 3;
const PIECES: i32 = 12;
/// How many ticks the replay reaches back: more than a store may forget.
const REPLAY_WINDOWS: std::ops::RangeInclusive<u32> = 4..=12;
/// The number of actions for each fault: few in a wild history, many in a quiet one.
const FAULT_RATES: std::ops::RangeInclusive<u32> = 5..=40;
/// The number of actions for each crash of a store whose copy is behind.
const CRASHES_WHILE_BEHIND: u32 = 20;
/// The number of kinds of faults, with their weights.
const FAULTS: u32 = 16;

/// A history: how it begins, and each step that changed something.
pub(crate) struct History {
    pub(crate) rules: Rules,
    pub(crate) size: Size,
    pub(crate) steps: Vec<Action>,
    /// The rule that does not hold at its end.
    pub(crate) failure: Option<&'static str>,
}

/// Runs the history of a seed. Checks every state, and that it comes to rest after the last fault.
pub(crate) fn run(seed: u64, length: usize, planted: Option<Planted>) -> History {
    let mut rng = Rng::with_seed(seed);
    let profile = [Profile::Durable, Profile::Lossy, Profile::Gated][rng.usize(0..3)];
    // With a shorter replay, more losses are out of its reach.
    let replay = rng.u32(REPLAY_WINDOWS);
    let rules = Rules {
        planted,
        replay,
        retention: replay,
        ..Rules::new(profile)
    };
    let size = Size {
        stock: (0..PRODUCTS).map(|_| rng.i32(0..=PIECES)).collect(),
        wishes: (0..CLIENTS).map(|client| client % PRODUCTS).collect(),
        order_consumers: rng.usize(1..=3),
        refund_consumers: rng.usize(1..=2),
    };
    let chaos = Chaos {
        rate: rng.u32(FAULT_RATES),
        // A history with few kinds of faults tries more of each kind.
        kinds: rng.u32(0..1 << FAULTS),
        consumers: size.order_consumers + size.refund_consumers,
    };
    let mut world = World::new(&size, &rules);
    let mut history = History {
        rules,
        size,
        steps: Vec::new(),
        failure: None,
    };
    for _ in 0..length {
        let action = chaos.draw(&world, &mut rng);
        if !world.take(action, &history.rules) {
            continue;
        }
        history.steps.push(action);
        history.failure = broken(&world, &history.rules);
        if history.failure.is_some() {
            return history;
        }
    }
    history.failure = verdict(world, &history.rules);
    history
}

impl History {
    /// Removes the steps that the failure does not need.
    pub(crate) fn shorten(&mut self) {
        let mut piece = self.steps.len().next_power_of_two();
        while piece > 0 {
            let mut at = 0;
            while at < self.steps.len() {
                let end = self.steps.len().min(at + piece);
                let without = [&self.steps[..at], &self.steps[end..]].concat();
                if self.replay(&without) == self.failure {
                    self.steps = without;
                } else {
                    at = end;
                }
            }
            piece /= 2;
        }
    }

    fn replay(&self, steps: &[Action]) -> Option<&'static str> {
        let mut world = World::new(&self.size, &self.rules);
        let instant = steps.iter().find_map(|step| {
            world.take(*step, &self.rules);
            broken(&world, &self.rules)
        });
        instant.or_else(|| verdict(world, &self.rules))
    }
}

/// How many and which faults a history has.
struct Chaos {
    rate: u32,
    kinds: u32,
    consumers: usize,
}

impl Chaos {
    fn draw(&self, world: &World, rng: &mut Rng) -> Action {
        // A copy is behind only for a short time, and a crash does harm only then.
        let side = if rng.bool() {
            Side::Payments
        } else {
            Side::Inventory
        };
        if world.is_behind(side) && rng.u32(0..CRASHES_WHILE_BEHIND) == 0 {
            return Action::Fault(Fault::Restart(side));
        }
        if rng.u32(0..self.rate) == 0 {
            let kind = rng.u32(0..FAULTS);
            if self.kinds & (1 << kind) != 0 {
                return Action::Fault(self.fault(kind, rng));
            }
        }
        let (client, consumer) = (rng.usize(0..CLIENTS), rng.usize(0..self.consumers));
        let role = if rng.bool() {
            Role::Orders
        } else {
            Role::Refunds
        };
        match rng.u32(0..100) {
            0..8 => Action::Post {
                client,
                answered: rng.u32(0..4) > 0,
            },
            8..10 => Action::Write { client },
            10..13 => Action::Cancel {
                client,
                answered: rng.bool(),
            },
            13 => Action::Restock {
                product: rng.usize(0..PRODUCTS),
            },
            14 if rng.u32(0..4) == 0 => Action::Delete {
                product: rng.usize(0..PRODUCTS),
            },
            14..28 => Action::Tick,
            28..42 => Action::Complete,
            42..78 => Action::Step { consumer },
            78..84 => Action::Look { consumer },
            84..92 => Action::Advance { consumer },
            92..97 => Action::Claim { consumer },
            _ => Action::Trim { role },
        }
    }

    fn fault(&self, kind: u32, rng: &mut Rng) -> Fault {
        let consumer = rng.usize(0..self.consumers);
        let side = if rng.bool() {
            Side::Payments
        } else {
            Side::Inventory
        };
        let role = if rng.bool() {
            Role::Orders
        } else {
            Role::Refunds
        };
        match kind {
            0..3 => Fault::Crash { consumer },
            3 => Fault::Lose { consumer },
            4 => Fault::CrashWorker,
            5 => Fault::CutOff { consumer },
            6..9 => Fault::FallBehind(side),
            9 => Fault::CatchUp(side),
            10..12 => Fault::Restart(side),
            12 => Fault::DestroyGroup(role),
            13 if rng.u32(0..4) == 0 => Fault::TrimEarly(role),
            13..15 if rng.u32(0..3) == 0 => Fault::Empty(side),
            13..15 => Fault::Restore(side),
            _ => Fault::StepClock {
                side,
                forward: rng.bool(),
                by: rng.u32(1..=12),
            },
        }
    }
}
