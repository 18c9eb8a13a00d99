//! How many connections there may be at once: each has a permit.
//!
//! While all of them are taken, the connection that has waited longest for its client is closed for
//! the next one. One address has at most a share: beyond it, its own connections are closed for its
//! next one. Where none waits, a connection takes one of a few permits for probes, so that the
//! probes of a watcher are answered whatever clients do.

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

/// Connections, beyond all others, that are answered probes and nothing else.
pub(crate) const PROBE_CONNECTIONS: usize = 64;
/// How many of them one address has at most.
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
    /// How many connections there were.
    count: u64,
    shortage: Shortage,
}

/// The permit of one connection, which is given back when this is dropped.
#[derive(Debug)]
pub(super) struct ConnectionPermit {
    limit: Arc<ConnectionLimit>,
    id: u64,
}

/// What happened because no permit was left.
#[derive(Debug, Default)]
struct Shortage {
    told: Option<Instant>,
    /// Connections that were closed for others.
    closed: u64,
    /// Connections that may only ask probes.
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

    /// Takes a permit for a connection of `remote` to `local`. `None` where no permit is left.
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

    /// Says which task serves a connection. It is ended where another connection needs the permit.
    pub(super) fn serve(&self, id: u64, task: &AbortHandle) {
        let mut book = self.book();
        // A connection that has ended already has no permit any more.
        let _ = book.clients.serve(id, task) || book.probes.serve(id, task);
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ConnectionPermit {
    /// Its number.
    pub(super) fn id(&self) -> u64 {
        self.id
    }
}

impl Drop for ConnectionPermit {
    fn drop(&mut self) {
        let mut book = self.limit.book();
        // One that was closed for another has left before.
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

    /// Whether there is room, made if need be.
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
    /// Says in the log what happened since the last time.
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
                "connections ran out, of all or of one address: see MAX_CONNECTIONS and \
                 MAX_CONNECTIONS_PER_ADDRESS"
            );
            *self = Self {
                told: Some(now),
                ..Self::default()
            };
        }
    }
}
