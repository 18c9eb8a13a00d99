//! The consumer of both services, one command at a time: `shared::stream::consumer`,
//! `shared::stream::settler` and `shared::stream::replay`.

use crate::checkpoint::Checkpoint;
use crate::gate::Gate;
use crate::inventory::{Decision, Outcome};
use crate::payments::Refund;
use crate::planted::Planted;
use crate::replay::{Move, Pass};
use crate::role::Role;
use crate::rules::{Rules, Sight};
use crate::store::Incarnation;
use crate::stream::{Entry, EntryId, Time};
use crate::world::World;

/// One member of a consumer group: `shared::stream::consumer` with `shared::stream::replay`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Consumer {
    pub(crate) role: Role,
    /// The consumer died and is not started again.
    pub(crate) gone: bool,
    /// The consumer reads its own pending entries, and no new ones.
    pub(crate) recovering: bool,
    /// The incarnation of the own store for which the consumer has finished its replay.
    pub(crate) done: Option<Incarnation>,
    pub(crate) pass: Option<Pass>,
    /// The next command moves the checkpoint to this.
    pub(crate) moving: Option<Move>,
    /// The checkpoint of the own store is at least this far.
    pub(crate) known: EntryId,
    /// Whether the consumer has to look at the stores before its next read. `looked` is the tick of
    /// its last look.
    pub(crate) must_look: bool,
    pub(crate) looked: Time,
    pub(crate) hand: Option<Hand>,
}

/// An entry on its way from delivery to acknowledgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Hand {
    pub(crate) entry: Entry,
    pub(crate) stage: Stage,
    /// The incarnation in which the last step was taken: `WAIT` answers about one incarnation.
    pub(crate) incarnation: Incarnation,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Stage {
    /// Delivered. With a gate, the replica has to know of the delivery before the consumer goes on.
    Read,
    /// The consumer may act on the entry.
    Known,
    /// `Acknowledged`: not acted on yet. `Marked`: recorded, and the stock not taken yet. Both are
    /// planted bugs.
    Acknowledged,
    Marked,
    /// Acted on. With a gate, the replica has to have the effect before the acknowledgement.
    Acted,
}

impl Hand {
    /// Whether the consumer has to finish this entry before it does anything else.
    pub(crate) fn is_begun(self) -> bool {
        !matches!(self.stage, Stage::Read | Stage::Known)
    }
}

impl Consumer {
    /// A process that has just started, with empty memory.
    pub(crate) fn started(role: Role) -> Self {
        Self {
            role,
            gone: false,
            recovering: true,
            done: None,
            pass: None,
            moving: None,
            known: EntryId::default(),
            must_look: true,
            looked: 0,
            hand: None,
        }
    }

    /// After a failure the consumer forgets what it has read. The entries are pending, and are read
    /// again.
    pub(crate) fn start_over(&mut self) {
        self.hand = None;
        self.pass = None;
        self.moving = None;
        self.recovering = true;
        self.must_look = true;
    }

    pub(crate) fn is_idle(&self) -> bool {
        let in_hand = self.hand.is_some() || self.pass.is_some() || self.moving.is_some();
        !in_hand && !self.recovering && !self.must_look
    }
}

impl World {
    /// The next command of a consumer.
    pub(crate) fn step(&mut self, consumer: usize, rules: &Rules) -> bool {
        if let Some(to) = self.consumers[consumer].moving {
            return self.move_checkpoint(consumer, to, rules);
        }
        let Some(hand) = self.consumers[consumer].hand else {
            return self.read(consumer, rules);
        };
        let role = self.consumers[consumer].role;
        match hand.stage {
            // A read that blocked leaves its connection with the offset from before it. Without a
            // `PING` in between, `WAIT` confirms anything.
            Stage::Read if rules.has(Planted::WaitWithoutPing) => {
                self.turn(consumer, hand, Stage::Known)
            }
            Stage::Read => match self.gate(role.stream_side(), hand.incarnation, rules) {
                Gate::Open => self.turn(consumer, hand, Stage::Known),
                Gate::Closed => false,
                Gate::Broken => self.start_over(consumer),
            },
            Stage::Known if rules.has(Planted::AcknowledgeFirst) => {
                self.stream(role).acknowledge(hand.entry.id);
                self.turn(consumer, hand, Stage::Acknowledged)
            }
            Stage::Known | Stage::Acknowledged => self.act_in_hand(consumer, hand, rules),
            Stage::Marked => {
                if let Some(event) = hand.entry.event {
                    self.inventory.memory.take(event);
                }
                self.turn(consumer, hand, Stage::Acted)
            }
            Stage::Acted => self.acknowledge(consumer, hand, rules),
        }
    }

    fn turn(&mut self, consumer: usize, hand: Hand, stage: Stage) -> bool {
        let incarnation = match stage {
            Stage::Acted => self.incarnation(self.consumers[consumer].role.own_side()),
            _ => hand.incarnation,
        };
        self.consumers[consumer].hand = Some(Hand {
            stage,
            incarnation,
            ..hand
        });
        true
    }

    pub(crate) fn start_over(&mut self, consumer: usize) -> bool {
        self.consumers[consumer].start_over();
        true
    }

    fn act_in_hand(&mut self, consumer: usize, hand: Hand, rules: &Rules) -> bool {
        let role = self.consumers[consumer].role;
        let now = self.inventory.clock;
        let in_two = role == Role::Orders && rules.has(Planted::MarkThenTake);
        if in_two && self.inventory.memory.identity {
            let half_done = self
                .inventory
                .memory
                .mark_only(hand.entry, now, rules.planted);
            return self.turn(
                consumer,
                hand,
                if half_done {
                    Stage::Marked
                } else {
                    Stage::Acted
                },
            );
        }
        if !self.act(role, hand.entry, rules) {
            return self.start_over(consumer);
        }
        if hand.stage == Stage::Acknowledged {
            self.consumers[consumer].hand = None;
            return true;
        }
        self.turn(consumer, hand, Stage::Acted)
    }

    /// Acts on an entry. Answers false if the store refuses because it has lost its data.
    pub(crate) fn act(&mut self, role: Role, entry: Entry, rules: &Rules) -> bool {
        let Some(event) = entry.event else {
            // The entry was trimmed, so there is nothing to act on. The consumer parks it.
            return true;
        };
        let first = match role {
            Role::Orders => {
                let (now, store) = (self.inventory.clock, &mut self.inventory.memory);
                if !store.identity && !rules.has(Planted::RefundAfterFlush) {
                    return false;
                }
                let outcome = store.apply(entry, event, now, rules.planted);
                if outcome == Outcome::Repeated(Decision::Rejected) {
                    rules.seen.count(Sight::ReplayedRefund);
                }
                matches!(outcome, Outcome::Decided(_))
            }
            Role::Refunds => {
                let store = &mut self.payments.memory;
                if !store.identity {
                    return false;
                }
                let outcome = store.refund(event.order);
                if outcome == Refund::Refunded {
                    rules.seen.count(Sight::Refund);
                }
                outcome == Refund::Refunded
            }
        };
        if !first {
            rules.seen.count(Sight::Duplicate);
        }
        true
    }

    /// The acknowledgement comes last, while the next batch is read. An entry far ahead of the
    /// checkpoint is not acknowledged before the checkpoint has moved.
    fn acknowledge(&mut self, consumer: usize, hand: Hand, rules: &Rules) -> bool {
        let Consumer {
            role, known, done, ..
        } = self.consumers[consumer];
        let id = hand.entry.id;
        if id.time > known.time + rules.step {
            let Some(incarnation) = done else {
                return self.start_over(consumer);
            };
            let to = Checkpoint::at(&self.stream(role).state(), id);
            self.consumers[consumer].moving = Some(Move { to, incarnation });
            return true;
        }
        match self.gate(role.own_side(), hand.incarnation, rules) {
            Gate::Open => {}
            Gate::Closed => return false,
            Gate::Broken => return self.start_over(consumer),
        }
        // On a shared connection the acknowledgement waits behind a read that blocks for longer
        // than a command may take. Then it is lost with the connection.
        if rules.has(Planted::SharedConnection) && !self.stream(role).has_new() {
            return self.start_over(consumer);
        }
        self.stream(role).acknowledge(id);
        self.consumers[consumer].hand = None;
        true
    }
}
