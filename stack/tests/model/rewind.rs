//! `shared::stream::rewind`: acting once more on the recent past of a stream, after the own store began a
//! new life. It may have forgotten what is acknowledged already, and no redelivery would come.

use crate::consumer::{Consumer, Hand};
use crate::cursor::{Cursor, Fit};
use crate::faults::Loss;
use crate::gate::Gate;
use crate::planted::Planted;
use crate::role::Role;
use crate::rules::{Rules, Sight};
use crate::store::Life;
use crate::stream::EntryId;
use crate::world::World;

/// One reading of the recent past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pass {
    after: EntryId,
    last: EntryId,
    life: Life,
}

/// A cursor on its way to the own store, for what was seen in one life of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Move {
    pub(crate) to: Cursor,
    pub(crate) life: Life,
}

impl World {
    /// Looks at both stores. Begins a rewind where the own one has a new life, or is older than
    /// this consumer knows it.
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
        let (side, life) = (role.own_side(), self.life(role.own_side()));
        let cursor = *self.cursor(side);
        let (before, age) = (self.consumers[consumer].clone(), self.age);
        let state = self.stream(role).state();
        match cursor.fit(self.stream(role), rules.rewind) {
            Fit::Lost => return self.halt(consumer),
            Fit::LostTail if self.has_identity(side) => self.cursor(side).take_back(&state),
            Fit::LostTail | Fit::Good => {}
        }
        let remembered = *self.epoch(side) == Some(life);
        let known_now = self.cursor(side).id;
        let of = &mut self.consumers[consumer];
        of.known = known_now;
        (of.must_look, of.looked) = (false, age);
        if (of.done == Some(life) || remembered) && cursor.id >= known {
            of.done = Some(life);
            if state.delivered > of.known {
                of.moving = Some(Move {
                    to: Cursor::at(&state, state.delivered),
                    life,
                });
            }
        } else if state.added == 0 && !rules.has(Planted::PassOverNothing) {
            // The stream may have lost everything. A pass over nothing would be none.
            of.done = None;
        } else {
            let after = cursor.rewind_after(state.delivered, rules.rewind);
            of.pass = Some(Pass {
                after,
                last: state.delivered,
                life,
            });
        }
        *of != before || known_now != cursor.id
    }

    /// Acts on nothing until a person has decided.
    fn halt(&mut self, consumer: usize) -> bool {
        let is_lost = !self.has_identity(self.consumers[consumer].role.own_side());
        self.is_halted_in_vain |= self.loss < Loss::Beyond && !is_lost;
        let before = self.consumers[consumer].clone();
        self.consumers[consumer].start_over();
        before != self.consumers[consumer]
    }

    /// `adopt-store`: where nobody acts any more, a person says to go on.
    pub(crate) fn accept_loss(&mut self, rules: &Rules) {
        for role in [Role::Orders, Role::Refunds] {
            let (side, cursor) = (role.own_side(), *self.cursor(role.own_side()));
            if cursor.fit(self.stream(role), rules.rewind) == Fit::Lost {
                let state = self.stream(role).state();
                *self.cursor(side) = Cursor::at(&state, state.delivered);
                *self.epoch(side) = Some(self.life(side));
                self.loss = Loss::Beyond;
            }
        }
    }

    /// Acts once more on the next entry of the recent past; nothing is acknowledged. The life is
    /// remembered last: a crash on the way begins the pass anew.
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
            let gate = self.gate(role.stream_side(), self.life(role.stream_side()), rules);
            if !matches!(gate, Gate::Open) || !self.act(role, entry, rules) {
                return false;
            }
            rules.seen.count(Sight::Rewind);
            self.consumers[consumer].pass = Some(Pass {
                after: entry.id,
                ..pass
            });
            return true;
        }
        if self.stream(role).state().last < pass.last {
            // What was gone in between was not acted on, and may come back.
            return self.start_over(consumer);
        }
        if pass.last > known {
            let to = Cursor::at(&self.stream(role).state(), pass.last);
            self.consumers[consumer].moving = Some(Move {
                to,
                life: pass.life,
            });
            return true;
        }
        *self.epoch(role.own_side()) = Some(pass.life);
        let of = &mut self.consumers[consumer];
        (of.pass, of.done) = (None, Some(pass.life));
        true
    }

    /// `move_cursor`. It refuses where the store has gone back, or is not in the life any more for
    /// which this was meant: what was seen then may be forgotten.
    pub(crate) fn move_cursor(&mut self, consumer: usize, to: Move, rules: &Rules) -> bool {
        let Consumer { role, known, .. } = self.consumers[consumer];
        let is_of_this_life = self.life(role.own_side()) == to.life;
        if !self.has_identity(role.own_side()) {
            return self.start_over(consumer);
        }
        let cursor = self.cursor(role.own_side());
        if cursor.id < known || !is_of_this_life {
            return self.start_over(consumer);
        }
        cursor.advance(to.to, rules.rewind);
        let of = &mut self.consumers[consumer];
        of.known = to.to.id.max(known);
        of.moving = None;
        true
    }
}
