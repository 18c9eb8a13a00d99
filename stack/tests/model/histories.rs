//! Histories in the large: whatever comes up, from one seed that runs it again.

use fastrand::Rng;

use crate::consumer::Role;
use crate::faults::Fault;
use crate::peace::verdict;
use crate::planted::Planted;
use crate::properties::broken;
use crate::rules::{Profile, Rules};
use crate::store::Side;
use crate::world::{Action, Size, World};

/// Clients in one history, each with one order.
const CLIENTS: usize = 12;
/// Actions without a fault, for each fault, in a quiet history and in a wild one.
const FAULT_RATES: std::ops::RangeInclusive<u32> = 5..=40;
/// Faults that a history draws from.
const FAULTS: u32 = 16;

/// What came of a history.
pub(crate) struct History {
    pub(crate) rules: Rules,
    /// Steps that changed something: each made a state, and each was checked.
    pub(crate) states: u64,
    /// The rule that did not hold, and the last steps before.
    pub(crate) failure: Option<(&'static str, Vec<Action>)>,
}

/// Runs one history and checks every state of it, and how it ends in peace.
pub(crate) fn run(seed: u64, steps: usize, planted: Option<Planted>) -> History {
    let mut rng = Rng::with_seed(seed);
    let profile = [Profile::Durable, Profile::Lossy, Profile::Gated][rng.usize(0..3)];
    let rules = Rules { planted, ..Rules::new(profile) };
    let size = Size {
        stock: (0..3).map(|_| rng.i32(0..=CLIENTS_PER_PRODUCT)).collect(),
        wishes: (0..CLIENTS).map(|client| client % 3).collect(),
        order_consumers: rng.usize(1..=3),
        refund_consumers: rng.usize(1..=2),
    };
    let chaos = Chaos {
        rate: rng.u32(FAULT_RATES),
        // A history with few kinds of faults goes deeper into each than one with all of them.
        kinds: rng.u32(0..1 << FAULTS),
        consumers: size.order_consumers + size.refund_consumers,
    };
    let mut world = World::new(&size, &rules);
    let mut history = History { rules, states: 0, failure: None };
    let mut taken = Vec::new();
    for _ in 0..steps {
        let action = chaos.draw(&mut rng);
        if !world.take(action, &history.rules) {
            continue;
        }
        taken.push(action);
        history.states += 1;
        if let Some(rule) = broken(&world, &history.rules) {
            history.failure = Some((rule, taken));
            return history;
        }
    }
    history.failure = verdict(world, &history.rules).map(|rule| (rule, taken));
    history
}

const CLIENTS_PER_PRODUCT: i32 = 4;

/// How much goes wrong in one history.
struct Chaos {
    rate: u32,
    kinds: u32,
    consumers: usize,
}

impl Chaos {
    fn draw(&self, rng: &mut Rng) -> Action {
        if rng.u32(0..self.rate) == 0 {
            let kind = rng.u32(0..FAULTS);
            if self.kinds & (1 << kind) != 0 {
                return Action::Fault(self.fault(kind, rng));
            }
        }
        let (client, consumer) = (rng.usize(0..CLIENTS), rng.usize(0..self.consumers));
        let role = if rng.bool() { Role::Orders } else { Role::Refunds };
        match rng.u32(0..100) {
            0..8 => Action::Post { client, answered: rng.u32(0..4) > 0 },
            8..10 => Action::Write { client },
            10..13 => Action::Cancel { client, answered: rng.bool() },
            13 => Action::Restock { product: rng.usize(0..3) },
            14 if rng.u32(0..4) == 0 => Action::Delete { product: rng.usize(0..3) },
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
        let side = if rng.bool() { Side::Payments } else { Side::Inventory };
        let role = if rng.bool() { Role::Orders } else { Role::Refunds };
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
            _ => Fault::StepClock { side, forward: rng.bool(), by: rng.u32(1..=12) },
        }
    }
}
