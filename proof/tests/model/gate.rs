//! `REPLICA_ACKS`: nothing follows from what a failover may take back.

use crate::rules::{Profile, Rules, Sight};
use crate::store::{Incarnation, Side};
use crate::world::World;

/// What a `WAIT` came to.
pub(crate) enum Gate {
    Open,
    Closed,
    Broken,
}

impl World {
    /// `PING` and `WAIT 1` on the connection that read or wrote. After a restart it is another
    /// connection, and its answer would be about nothing.
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
