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
