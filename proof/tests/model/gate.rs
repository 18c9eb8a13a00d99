//! `REPLICA_ACKS`: no answer and no action depends on a write that a failover may take back.

use crate::rules::{Profile, Rules, Sight};
use crate::store::{Incarnation, Side};
use crate::world::World;

/// The result of a `WAIT`.
pub(crate) enum Gate {
    Open,
    Closed,
    Broken,
}

impl World {
    /// `PING` and `WAIT 1` on the connection of the read or the write. After a restart there is
    /// another connection, and its answer says nothing about the earlier one.
    pub(crate) fn gate(&self, side: Side, incarnation: Incarnation, rules: &Rules) -> Gate {
        if rules.profile != Profile::Gated {
            Gate::Open
        } else if self.incarnation(side) != incarnation {
            Gate::Broken
        } else if self.is_replicated(side) {
            Gate::Open
        } else {
            rules.seen.count(Sight::WaitRefused);
            Gate::Closed
        }
    }
}
