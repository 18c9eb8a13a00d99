//! `shared::rewind`: acting once more on the recent past of a stream, after the own store began a
//! new life. It may have forgotten what is acknowledged already, and no redelivery would come.

use crate::consumer::{Consumer, Gate};
use crate::rules::{Rules, Sight};
use crate::store::Life;
use crate::stream::EntryId;
use crate::world::World;

/// One reading of the recent past.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Pass {
    after: EntryId,
    pub(crate) last: EntryId,
    life: Life,
}

impl World {
    /// Begins a rewind where the own store has a new life.
    ///
    /// A stream that has nothing of what was acted on has lost its data. To act on it would be to
    /// guess, so the consumer waits for a person. How far it went back says less: the entry before
    /// the lost ones may be old in a stream with few entries.
    pub(crate) fn look(&mut self, consumer: usize, rules: &Rules) -> bool {
        let Consumer { role, gone, done, pass, .. } = self.consumers[consumer];
        let life = self.life(role.own_side());
        if gone || pass.is_some() || done == Some(life) {
            return false;
        }
        if *self.epoch(role.own_side()) == Some(life) {
            self.consumers[consumer].done = Some(life);
            return true;
        }
        let cursor = *self.cursor(role.own_side());
        let stream = self.stream(role);
        if stream.last() < cursor && stream.last() == EntryId::default() {
            return false;
        }
        let last = stream.last_delivered();
        let from = last.min(cursor).time.saturating_sub(rules.rewind);
        let after = EntryId { time: from.saturating_sub(1), sequence: u32::MAX };
        self.consumers[consumer].pass = Some(Pass { after, last, life });
        true
    }

    /// Acts once more on the next entry of the recent past; nothing is acknowledged. The epoch is
    /// remembered last: a crash on the way begins the pass anew.
    pub(crate) fn advance(&mut self, consumer: usize, rules: &Rules) -> bool {
        let Consumer { role, gone, pass, .. } = self.consumers[consumer];
        let Some(pass) = pass.filter(|_| !gone) else {
            return false;
        };
        if let Some(entry) = self.stream(role).next_in(pass.after, pass.last) {
            let gate = self.gate(role.stream_side(), self.life(role.stream_side()), rules);
            if !matches!(gate, Gate::Open) || !self.act(role, entry, rules) {
                return false;
            }
            rules.seen.count(Sight::Rewind);
            self.consumers[consumer].pass = Some(Pass { after: entry.id, ..pass });
            return true;
        }
        *self.epoch(role.own_side()) = Some(pass.life);
        self.consumers[consumer].pass = None;
        self.consumers[consumer].done = Some(pass.life);
        true
    }
}
