//! A fixed number of permits, and the connections that hold them.
//!
//! A line holds the connections in the order in which they began to wait for their clients. A
//! request does not move its connection in the line, so the order may be out of date. A search for
//! the longest wait compares each connection with its present state and moves it if need be. So a
//! request costs nothing here, and a new connection costs little.

use std::collections::{BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::Arc;

use tokio::task::AbortHandle;

use crate::http::admission::Untaken;
use crate::http::peer::Peer;

/// How often one search looks at each connection. The first look may find that the connection waits
/// since a later moment, and moves it. The second look closes it.
const LOOKS: usize = 2;
/// Milliseconds between a search that found no waiting connection and the next search. Such a
/// search looks at every connection, so it must not happen for each new one.
const SEARCH_PAUSE_MS: u64 = 20;

/// Permits, and the connections that have them.
#[derive(Debug)]
pub(super) struct Room {
    limit: usize,
    /// Most permits that one address holds.
    share: usize,
    /// Most answers that clients of one address may leave unread.
    untaken: usize,
    guests: HashMap<u64, Guest>,
    all: Line,
    /// The same connections, one line for each address.
    addresses: HashMap<IpAddr, Line>,
}

/// A connection that holds a permit.
#[derive(Debug)]
pub(super) struct Guest {
    peer: Arc<Peer>,
    network: IpAddr,
    /// The moment under which the connection stands in both lines.
    since: u64,
    task: Option<AbortHandle>,
}

/// Connections and the moment since which each was last seen to wait. The true moment is the same
/// or later.
#[derive(Debug, Default)]
struct Line {
    order: BTreeSet<(u64, u64)>,
    /// The earliest moment of the next search.
    next_search: u64,
}

impl Room {
    pub(super) fn new(limit: usize, share: usize, untaken: usize) -> Self {
        let (guests, addresses) = (HashMap::new(), HashMap::new());
        Self {
            limit,
            share: share.min(limit),
            untaken,
            guests,
            all: Line::default(),
            addresses,
        }
    }

    /// Makes sure that there is a permit for another connection of this address. Answers how many
    /// connections were closed for it; `None` if no permit can be had.
    pub(super) fn make_room(&mut self, network: IpAddr, now: u64) -> Option<u64> {
        let own = self
            .addresses
            .get(&network)
            .map_or(0, |line| line.order.len());
        if own >= self.share {
            self.close_one(Some(network), now)
        } else if self.guests.len() >= self.limit {
            self.close_one(None, now)
        } else {
            Some(0)
        }
    }

    /// The count of unread answers that all connections of this address share.
    pub(super) fn untaken(&self, network: IpAddr) -> Arc<Untaken> {
        let line = self.addresses.get(&network);
        let neighbour = line.and_then(|line| self.guests.get(&line.order.first()?.1));
        let shared = neighbour.map(|guest| guest.peer.untaken.clone());
        shared.unwrap_or_else(|| Arc::new(Untaken::new(self.untaken)))
    }

    /// Takes a permit.
    pub(super) fn enter(&mut self, id: u64, network: IpAddr, since: u64, peer: Arc<Peer>) {
        self.guests.insert(
            id,
            Guest {
                peer,
                network,
                since,
                task: None,
            },
        );
        self.stand(id, network, since);
    }

    /// Notes which task serves a connection. `false` if the connection is not in this room.
    pub(super) fn serve(&mut self, id: u64, task: &AbortHandle) -> bool {
        let guest = self.guests.get_mut(&id);
        guest.map(|guest| guest.task = Some(task.clone())).is_some()
    }

    /// Gives a permit back, and answers the connection that held it.
    pub(super) fn leave(&mut self, id: u64) -> Option<Guest> {
        let guest = self.guests.remove(&id)?;
        let Guest { network, since, .. } = guest;
        self.step_out(id, network, since);
        if self
            .addresses
            .get(&network)
            .is_some_and(|line| line.order.is_empty())
        {
            self.addresses.remove(&network);
        }
        Some(guest)
    }

    /// Closes the connection that has waited longest: of this address, or of all addresses.
    fn close_one(&mut self, network: Option<IpAddr>, now: u64) -> Option<u64> {
        let line = self.line(network)?;
        let looks = if now < line.next_search {
            0
        } else {
            LOOKS * line.order.len()
        };
        for _ in 0..looks {
            let &(since, id) = self.line(network)?.order.first()?;
            let guest = self.guests.get_mut(&id)?;
            let waits = guest.peer.waits.since();
            if waits == Some(since) && guest.peer.waits.close(since) {
                if let Some(task) = self.leave(id)?.task {
                    task.abort();
                }
                return Some(1);
            }
            // A busy connection moves behind all connections that wait now.
            let seen = waits.map_or(now + 1, |waits| waits.min(now));
            let network = guest.network;
            guest.since = seen;
            self.step_out(id, network, since);
            self.stand(id, network, seen);
        }
        if looks > 0 {
            self.line(network)?.next_search = now + SEARCH_PAUSE_MS;
        }
        None
    }

    fn line(&mut self, network: Option<IpAddr>) -> Option<&mut Line> {
        match network {
            Some(network) => self.addresses.get_mut(&network),
            None => Some(&mut self.all),
        }
    }

    fn stand(&mut self, id: u64, network: IpAddr, since: u64) {
        self.all.order.insert((since, id));
        self.addresses
            .entry(network)
            .or_default()
            .order
            .insert((since, id));
    }

    fn step_out(&mut self, id: u64, network: IpAddr, since: u64) {
        self.all.order.remove(&(since, id));
        if let Some(line) = self.addresses.get_mut(&network) {
            line.order.remove(&(since, id));
        }
    }
}

#[cfg(test)]
mod tests;
