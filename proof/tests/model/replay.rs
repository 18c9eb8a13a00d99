//! `shared::stream::replay`: the consumer acts again on the recent past of a stream after its own
//! store began a new incarnation. The store may have forgotten effects whose entries are
//! acknowledged, and Redis never delivers those entries again.

use crate::checkpoint::{Agreement, Checkpoint};
use crate::consumer::{Consumer, Hand};
use crate::faults::Loss;
use crate::gate::Gate;
use crate::planted::Planted;
use crate::role::Role;
use crate::rules::{Rules, Sight};
use crate::store::Incarnation;
use crate::stream::EntryId;
use crate::world::World;

/// One pass over the recent past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pass {
    after: EntryId,
    last: EntryId,
    incarnation: Incarnation,
}

/// A move of the checkpoint that the consumer has decided on in one incarnation of its own store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Move {
    pub(crate) to: Checkpoint,
    pub(crate) incarnation: Incarnation,
}

impl World {
    /// Looks at both stores. Begins a replay if the own store has a new incarnation, or is older
    /// than this consumer knows.
    pub(crate) fn look(&mut self, consumer: usize, rules: &Rules) -> bool {
        let Consumer {
            role,
            gone,
            pass,
            moving,
            known,
            hand,
            ..
        } = self.consumers[consumer];
        let is_busy = moving.is_some() || hand.is_some_and(Hand::is_begun);
        if gone || pass.is_some() || is_busy {
            return false;
        }
        let (side, incarnation) = (role.own_side(), self.incarnation(role.own_side()));
        let checkpoint = *self.checkpoint(side);
        let (before, age) = (self.consumers[consumer].clone(), self.age);
        let state = self.stream(role).state();
        match checkpoint.compare(self.stream(role), rules.replay) {
            Agreement::Diverged => return self.halt(consumer),
            Agreement::TailLost if self.has_identity(side) => {
                self.checkpoint(side).take_back(&state);
            }
            Agreement::TailLost | Agreement::Consistent => {}
        }
        let remembered = *self.replayed(side) == Some(incarnation);
        let known_now = self.checkpoint(side).id;
        let of = &mut self.consumers[consumer];
        of.known = known_now;
        (of.must_look, of.looked) = (false, age);
        if (of.done == Some(incarnation) || remembered) && checkpoint.id >= known {
            of.done = Some(incarnation);
            if state.delivered > of.known {
                of.moving = Some(Move {
                    to: Checkpoint::at(&state, state.delivered),
                    incarnation,
                });
            }
        } else if state.added == 0 && !rules.has(Planted::PassOverNothing) {
            // The stream may have lost its data. A pass over an empty stream does not count.
            of.done = None;
        } else {
            let after = checkpoint.replay_after(state.delivered, rules.replay);
            of.pass = Some(Pass {
                after,
                last: state.delivered,
                incarnation,
            });
        }
        *of != before || known_now != checkpoint.id
    }

    /// The consumer halts until a person has decided.
    fn halt(&mut self, consumer: usize) -> bool {
        let is_lost = !self.has_identity(self.consumers[consumer].role.own_side());
        self.is_halted_in_vain |= self.loss < Loss::Beyond && !is_lost;
        let before = self.consumers[consumer].clone();
        self.consumers[consumer].start_over();
        before != self.consumers[consumer]
    }

    /// `adopt-store`: if a consumer has halted, a person tells it to go on.
    pub(crate) fn accept_loss(&mut self, rules: &Rules) {
        for role in [Role::Orders, Role::Refunds] {
            let (side, checkpoint) = (role.own_side(), *self.checkpoint(role.own_side()));
            if checkpoint.compare(self.stream(role), rules.replay) == Agreement::Diverged {
                let state = self.stream(role).state();
                *self.checkpoint(side) = Checkpoint::at(&state, state.delivered);
                *self.replayed(side) = Some(self.incarnation(side));
                self.loss = Loss::Beyond;
            }
        }
    }

    /// Acts again on the next entry of the recent past, and acknowledges nothing. The incarnation
    /// is recorded last, so a crash in between begins the pass again.
    pub(crate) fn advance(&mut self, consumer: usize, rules: &Rules) -> bool {
        let Consumer {
            role,
            gone,
            pass,
            moving,
            known,
            ..
        } = self.consumers[consumer];
        let Some(pass) = pass.filter(|_| !gone && moving.is_none()) else {
            return false;
        };
        if let Some(entry) = self.stream(role).next_in(pass.after, pass.last) {
            let gate = self.gate(
                role.stream_side(),
                self.incarnation(role.stream_side()),
                rules,
            );
            if !matches!(gate, Gate::Open) || !self.act(role, entry, rules) {
                return false;
            }
            rules.seen.count(Sight::Replay);
            self.consumers[consumer].pass = Some(Pass {
                after: entry.id,
                ..pass
            });
            return true;
        }
        if self.stream(role).state().last < pass.last {
            // The consumer skipped the entries that were missing, and restored files may bring them
            // back.
            return self.start_over(consumer);
        }
        if pass.last > known {
            let to = Checkpoint::at(&self.stream(role).state(), pass.last);
            self.consumers[consumer].moving = Some(Move {
                to,
                incarnation: pass.incarnation,
            });
            return true;
        }
        *self.replayed(role.own_side()) = Some(pass.incarnation);
        let of = &mut self.consumers[consumer];
        (of.pass, of.done) = (None, Some(pass.incarnation));
        true
    }

    /// `move_checkpoint`. It refuses if the store has gone back, or is in another incarnation than
    /// the caller means. Such a store may have forgotten what the caller saw.
    pub(crate) fn move_checkpoint(&mut self, consumer: usize, to: Move, rules: &Rules) -> bool {
        let Consumer { role, known, .. } = self.consumers[consumer];
        let is_of_this_incarnation = self.incarnation(role.own_side()) == to.incarnation;
        if !self.has_identity(role.own_side()) {
            return self.start_over(consumer);
        }
        let checkpoint = self.checkpoint(role.own_side());
        if checkpoint.id < known || !is_of_this_incarnation {
            return self.start_over(consumer);
        }
        checkpoint.advance(to.to, rules.replay);
        let of = &mut self.consumers[consumer];
        of.known = to.to.id.max(known);
        of.moving = None;
        true
    }
}
