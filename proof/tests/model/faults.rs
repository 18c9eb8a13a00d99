//! The faults: one at any instant, to any part.

use crate::consumer::Consumer;
use crate::role::Role;
use crate::rules::{Profile, Rules, Sight};
use crate::store::Side;
use crate::stream::Time;
use crate::world::World;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Fault {
    /// A consumer process dies and is restarted under its name.
    Crash {
        consumer: usize,
    },
    /// A consumer process dies for good, so its replica has to take over.
    Lose {
        consumer: usize,
    },
    /// The process with the worker dies.
    CrashWorker,
    /// A connection is cut or an answer is lost: the consumer does not know whether the command had
    /// an effect.
    CutOff {
        consumer: usize,
    },
    /// From now on changes reach the memory of a store, and not its copy.
    FallBehind(Side),
    CatchUp(Side),
    /// A store is killed and restarts, or its replica takes over.
    Restart(Side),
    DestroyGroup(Role),
    /// An operator trims a stream by its length.
    TrimEarly(Role),
    /// `FLUSHALL`.
    Empty(Side),
    /// The files of an emptied store are restored.
    Restore(Side),
    StepClock {
        side: Side,
        forward: bool,
        by: Time,
    },
}

/// The worst loss of data so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Loss {
    Nothing,
    /// A store forgot its last changes, and a replay reaches that far back.
    Tail,
    /// Events were removed before they were acted on, or an operator accepted a loss.
    Beyond,
}

impl World {
    /// Lets a fault happen. Answers whether it changed anything.
    pub(crate) fn suffer(&mut self, fault: Fault, rules: &Rules) -> bool {
        let happened = match fault {
            Fault::Crash { consumer } => self.crash(consumer),
            Fault::Lose { consumer } => self.crash(consumer) && self.lose(consumer),
            Fault::CrashWorker => {
                self.worker.hand = None;
                true
            }
            Fault::CutOff { consumer } => {
                let had = self.consumers[consumer].hand.is_some();
                self.consumers[consumer].start_over();
                had
            }
            // With `appendfsync always`, no copy is ever behind.
            Fault::FallBehind(_) if rules.profile == Profile::Durable => false,
            Fault::FallBehind(Side::Payments) => self.payments.fall_behind(),
            Fault::FallBehind(Side::Inventory) => self.inventory.fall_behind(),
            Fault::CatchUp(Side::Payments) => self.payments.catch_up(),
            Fault::CatchUp(Side::Inventory) => self.inventory.catch_up(),
            Fault::Restart(side) => {
                self.restart(side, rules);
                true
            }
            Fault::DestroyGroup(role) => self.stream(role).group.take().is_some(),
            Fault::TrimEarly(role) => self.trim_early(role),
            Fault::Empty(Side::Payments) => self.payments.empty(),
            Fault::Empty(Side::Inventory) => self.inventory.empty(),
            Fault::Restore(Side::Payments) => self.payments.restore(),
            Fault::Restore(Side::Inventory) => self.inventory.restore(),
            Fault::StepClock { side, forward, by } => {
                self.step_clock(side, forward, by);
                true
            }
        };
        if happened && let Some(sight) = sight(fault) {
            rules.seen.count(sight);
        }
        happened
    }

    fn crash(&mut self, consumer: usize) -> bool {
        let Consumer { role, gone, .. } = self.consumers[consumer];
        if !gone {
            self.consumers[consumer] = Consumer::started(role);
        }
        !gone
    }

    /// Keeps one consumer of each role alive.
    fn lose(&mut self, consumer: usize) -> bool {
        let role = self.consumers[consumer].role;
        let mut others = self.consumers.iter().enumerate();
        let may = others.any(|(n, other)| n != consumer && other.role == role && !other.gone);
        self.consumers[consumer].gone = may;
        may
    }

    fn restart(&mut self, side: Side, rules: &Rules) {
        let forgot = match side {
            Side::Payments => self.payments.restart(),
            Side::Inventory => self.inventory.restart(),
        };
        if !forgot {
            return;
        }
        rules.seen.count(Sight::TailLost);
        // With a gate, a failover forgets only changes of which no client was told.
        if rules.profile == Profile::Lossy {
            self.loss = self.loss.max(Loss::Tail);
        }
    }

    fn trim_early(&mut self, role: Role) -> bool {
        let trimmed = self.stream(role).cut_to(0);
        if trimmed {
            self.loss = Loss::Beyond;
        }
        trimmed
    }

    fn step_clock(&mut self, side: Side, forward: bool, by: Time) {
        match side {
            Side::Payments => self.payments.step_clock(forward, by),
            Side::Inventory => self.inventory.step_clock(forward, by),
        }
    }
}

fn sight(fault: Fault) -> Option<Sight> {
    Some(match fault {
        Fault::Crash { .. } | Fault::Lose { .. } | Fault::CrashWorker => Sight::Crash,
        Fault::CutOff { .. } => Sight::LostAnswer,
        Fault::Restart(_) => Sight::Restart,
        Fault::DestroyGroup(_) => Sight::GroupDestroyed,
        Fault::TrimEarly(_) => Sight::EarlyTrim,
        Fault::Empty(_) => Sight::Emptied,
        Fault::StepClock { .. } => Sight::ClockStep,
        Fault::FallBehind(_) | Fault::CatchUp(_) | Fault::Restore(_) => return None,
    })
}
