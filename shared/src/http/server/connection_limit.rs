//! Limits how many connections a process has at once: each connection holds a permit.
//!
//! When all permits are taken and another connection comes, the server closes the connection that
//! has waited longest for its client. One address has at most a share of the permits. When its
//! share is taken, the server closes one of its own connections instead.
//!
//! If no connection waits, the new one takes one of [`PROBE_CONNECTIONS`] permits that are good for
//! probes only. So a monitor always gets an answer to its probes.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::task::AbortHandle;
use tokio::time::Instant;

mod room;

use room::Room;

use crate::http::peer::{Peer, moment};
use crate::http::rate_limit::network;
use crate::http::settings::HttpSettings;

/// Most connections beyond the limit. Only probes are answered on them.
pub(crate) const PROBE_CONNECTIONS: usize = 64;
/// Most connections beyond the limit that one address has.
const PROBE_SHARE: usize = PROBE_CONNECTIONS / 2;
/// Shortest time between two lines in the log about permits that ran out.
const TELL_INTERVAL: Duration = Duration::from_mins(1);

/// The permits for connections of a process.
#[derive(Debug)]
pub(super) struct ConnectionLimit(Mutex<Book>);

#[derive(Debug)]
struct Book {
    clients: Room,
    probes: Room,
    /// How many connections were accepted so far; each gets this number as its id.
    count: u64,
    shortage: Shortage,
}

/// The permit of one connection. Dropping it gives the permit back.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    limit: Arc<ConnectionLimit>,
    id: u64,
}

/// What happened since the last line in the log because no permit was left.
#[derive(Debug, Default)]
struct Shortage {
    told: Option<Instant>,
    /// Connections that were closed to make room for others.
    closed: u64,
    /// Connections that were let in for probes only.
    only_probes: u64,
    /// Connections that were closed at once.
    refused: u64,
}

impl ConnectionLimit {
    pub(super) fn new(settings: &HttpSettings) -> Self {
        let untaken = settings.untaken_share();
        let clients = Room::new(
            settings.max_connections.get().into(),
            settings.share(),
            untaken,
        );
        let probes = Room::new(PROBE_CONNECTIONS, PROBE_SHARE, untaken);
        Self(Mutex::new(Book {
            clients,
            probes,
            count: 0,
            shortage: Shortage::default(),
        }))
    }

    /// Takes a permit for a connection from `remote` to `local`. `None` if no permit is left.
    pub(super) fn enter(
        self: &Arc<Self>,
        local: SocketAddr,
        remote: SocketAddr,
    ) -> Option<(Arc<Peer>, ConnectionPermit)> {
        let now = Instant::now();
        let entered = self.book().enter(local, remote, now);
        entered.map(|(peer, id)| {
            (
                peer,
                ConnectionPermit {
                    limit: self.clone(),
                    id,
                },
            )
        })
    }

    /// Notes which task serves a connection. The task is aborted when another connection needs the
    /// permit.
    pub(super) fn serve(&self, id: u64, task: &AbortHandle) {
        let mut book = self.book();
        // A connection that has ended meanwhile is in neither room.
        let _ = book.clients.serve(id, task) || book.probes.serve(id, task);
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionPermit {
    /// The number of the connection.
    pub(super) fn id(&self) -> u64 {
        self.id
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut book = self.limit.book();
        // A connection that was closed to make room for another has left its room already.
        let _ = book
            .clients
            .leave(self.id)
            .or_else(|| book.probes.leave(self.id));
    }
}

impl Book {
    fn enter(
        &mut self,
        local: SocketAddr,
        remote: SocketAddr,
        now: Instant,
    ) -> Option<(Arc<Peer>, u64)> {
        let (network, at) = (network(remote.ip()), moment(now));
        let only_probes = !self.make_room(false, network, at);
        if only_probes && !self.make_room(true, network, at) {
            self.shortage.refused += 1;
            self.shortage.tell(network, now);
            return None;
        }
        self.count += 1;
        let (id, room) = (self.count, self.room(only_probes));
        let peer = Arc::new(Peer::new(local, remote, room.untaken(network), only_probes));
        room.enter(id, network, at, peer.clone());
        self.shortage.only_probes += u64::from(only_probes);
        self.shortage.tell(network, now);
        Some((peer, id))
    }

    /// Makes sure of a free permit, by closing a connection if need be. `false` if that fails.
    fn make_room(&mut self, only_probes: bool, network: IpAddr, at: u64) -> bool {
        match self.room(only_probes).make_room(network, at) {
            Some(closed) => {
                self.shortage.closed += closed;
                true
            }
            None => false,
        }
    }

    fn room(&mut self, only_probes: bool) -> &mut Room {
        if only_probes {
            &mut self.probes
        } else {
            &mut self.clients
        }
    }
}

impl Shortage {
    /// Logs what happened since the last line, at most once in [`TELL_INTERVAL`].
    fn tell(&mut self, address: IpAddr, now: Instant) {
        let Self {
            told,
            closed,
            only_probes,
            refused,
        } = *self;
        let is_time = told.is_none_or(|told| now >= told + TELL_INTERVAL);
        if is_time && closed + only_probes + refused > 0 {
            tracing::warn!(
                %address, closed, only_probes, refused,
                "connections ran out, of the process or of one address: see MAX_CONNECTIONS and \
                 MAX_CONNECTIONS_PER_ADDRESS"
            );
            *self = Self {
                told: Some(now),
                ..Self::default()
            };
        }
    }
}
