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
mod tests {
    use std::time::Duration;

    use tokio::time::Instant;

    use super::*;
    use crate::http::peer::moment;

    /// A room, and a clock.
    struct World {
        room: Room,
        start: Instant,
        peers: Vec<Arc<Peer>>,
    }

    impl World {
        fn new(limit: usize, share: usize) -> Self {
            Self {
                room: Room::new(limit, share, 1),
                start: Instant::now(),
                peers: Vec::new(),
            }
        }

        fn at(&self, ms: u64) -> Instant {
            self.start + Duration::from_millis(ms)
        }

        /// Lets a connection come at that time from that address. Answers whether there was room.
        fn come(&mut self, ms: u64, host: u8) -> bool {
            let network = IpAddr::from([192, 0, 2, host]);
            let now = self.at(ms);
            let fits = self.room.make_room(network, moment(now)).is_some();
            let (local, remote) = (([127, 0, 0, 1], 1).into(), (network, 1).into());
            let peer = Arc::new(Peer::new(local, remote, self.room.untaken(network), false));
            peer.waits.begin(now);
            if fits {
                let id = self.peers.len() as u64;
                self.room.enter(id, network, moment(now), peer.clone());
            }
            self.peers.push(peer);
            fits
        }

        fn begin(&self, number: usize) {
            assert!(self.peers[number].waits.end());
        }

        fn finish(&self, number: usize, ms: u64) {
            self.peers[number].waits.begin(self.at(ms));
        }

        /// The numbers of the connections that still hold a permit.
        fn there(&self) -> Vec<u64> {
            let mut ids: Vec<u64> = self.room.guests.keys().copied().collect();
            ids.sort_unstable();
            assert_eq!(self.room.all.order.len(), ids.len());
            let lines = self.room.addresses.values().map(|line| line.order.len());
            assert_eq!(lines.sum::<usize>(), ids.len());
            assert!(
                self.room
                    .addresses
                    .values()
                    .all(|line| !line.order.is_empty())
            );
            ids
        }
    }

    #[test]
    fn the_connection_that_has_waited_longest_goes() {
        let mut world = World::new(3, 3);
        for (ms, host) in [(0, 1), (1, 2), (2, 3)] {
            assert!(world.come(ms, host));
        }
        // The first two have had an answer since.
        for number in [0, 1] {
            world.begin(number);
        }
        world.finish(1, 10);
        world.finish(0, 11);
        assert!(world.come(20, 4));
        assert_eq!(world.there(), [0, 1, 3]);
        assert!(world.come(21, 4));
        assert_eq!(world.there(), [0, 3, 4]);
    }

    #[test]
    fn one_that_is_answered_never_goes() {
        let mut world = World::new(2, 2);
        assert!(world.come(0, 1) && world.come(1, 2));
        world.begin(0);
        assert!(world.come(5, 3));
        assert_eq!(world.there(), [0, 2]);
        world.begin(2);
        assert!(!world.come(6, 3), "both are answered");
        world.finish(0, 7);
        assert!(!world.come(8, 3), "it was searched in vain a moment ago");
        assert!(world.come(6 + SEARCH_PAUSE_MS, 3));
        assert_eq!(world.there(), [2, 5]);
    }

    #[test]
    fn one_that_began_to_wait_just_now_is_found_behind_those_that_are_busy() {
        let mut world = World::new(3, 3);
        for ms in [0, 1, 2] {
            assert!(world.come(ms, 1));
        }
        for number in [0, 1, 2] {
            world.begin(number);
        }
        world.finish(2, 9);
        assert!(world.come(9, 1));
        assert_eq!(world.there(), [0, 1, 3]);
    }

    #[test]
    fn an_address_has_its_share_and_takes_none_of_the_others() {
        let mut world = World::new(4, 2);
        assert!(world.come(0, 1));
        for ms in 1..10 {
            assert!(world.come(ms, 2));
        }
        assert_eq!(world.there(), [0, 8, 9]);
        world.begin(8);
        world.begin(9);
        assert!(!world.come(10, 2), "its share is busy");
        assert!(world.come(11, 3) && world.come(12, 4), "others have room");
        assert_eq!(world.there(), [8, 9, 11, 12]);
    }

    #[test]
    fn connections_of_one_address_count_what_they_do_not_take_together() {
        let mut world = World::new(5, 4);
        for (ms, host) in [(0, 1), (1, 2), (2, 1), (3, 1)] {
            assert!(world.come(ms, host));
        }
        assert!(world.room.leave(0).is_some());
        assert!(world.come(4, 1));
        let counted = world.peers[0].untaken.count();
        let full = || world.peers.iter().map(|peer| peer.untaken.is_full());
        assert!(full().eq([true, false, true, true, true]));
        drop(counted);
        assert!(full().eq([false; 5]));
    }

    #[test]
    fn those_that_left_are_forgotten() {
        let mut world = World::new(2, 1);
        for ms in 0..100 {
            assert!(world.come(ms, u8::try_from(ms).unwrap()));
            assert!(world.room.leave(ms).is_some() && world.room.leave(ms).is_none());
        }
        assert!(world.there().is_empty() && world.room.addresses.is_empty());
    }
}
