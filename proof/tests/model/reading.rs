//! The reads of a consumer: new entries, its own pending entries, and those of a dead consumer.

use crate::consumer::{Consumer, Hand, Stage};
use crate::planted::Planted;
use crate::rules::{Profile, Rules, Sight};
use crate::stream::Entry;
use crate::world::World;

impl World {
    pub(crate) fn read(&mut self, consumer: usize, rules: &Rules) -> bool {
        let Consumer {
            role,
            gone,
            recovering,
            pass,
            ..
        } = self.consumers[consumer];
        if gone || pass.is_some() {
            return false;
        }
        if self.must_look(consumer, rules) && self.look(consumer, rules) {
            return true;
        }
        if self.consumers[consumer].must_look {
            return false;
        }
        let now = self.stream_clock(role);
        let stream = self.stream(role);
        if stream.group.is_none() {
            if rules.has(Planted::GroupAtTheEnd) {
                stream.create_group_at_the_end();
            } else {
                stream.create_group();
            }
            return true;
        }
        let entry = if recovering {
            stream.read_own_pending(consumer)
        } else {
            stream.read_new(consumer, now)
        };
        let was_recovering =
            entry.is_none() && std::mem::take(&mut self.consumers[consumer].recovering);
        was_recovering || entry.is_some_and(|entry| self.receive(consumer, entry, rules))
    }

    fn receive(&mut self, consumer: usize, entry: Entry, rules: &Rules) -> bool {
        let gated = rules.profile == Profile::Gated;
        let stage = if gated { Stage::Read } else { Stage::Known };
        let incarnation = self.incarnation(self.consumers[consumer].role.stream_side());
        self.consumers[consumer].hand = Some(Hand {
            entry,
            stage,
            incarnation,
        });
        true
    }

    /// A look is due every two seconds and after every failure. New entries are read after it.
    fn must_look(&self, consumer: usize, rules: &Rules) -> bool {
        let Consumer {
            role,
            done,
            must_look,
            looked,
            ..
        } = self.consumers[consumer];
        must_look || self.is_look_due(role.own_side(), done) || self.age > looked + rules.step
    }

    /// Takes over an entry of a dead consumer.
    pub(crate) fn claim(&mut self, consumer: usize, rules: &Rules) -> bool {
        let Consumer {
            role,
            gone,
            recovering,
            hand,
            ..
        } = self.consumers[consumer];
        if gone || recovering || hand.is_some() {
            return false;
        }
        let now = self.stream_clock(role);
        let claimed = self.stream(role).claim(consumer, now, rules.reclaim_idle);
        if claimed.is_some() {
            rules.seen.count(Sight::Takeover);
        }
        claimed.is_some_and(|entry| self.receive(consumer, entry, rules))
    }
}
