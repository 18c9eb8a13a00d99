//! A link between two processes that can be made to fail: an in-process TCP proxy.
//!
//! A [`Proxy`] listens on a loopback port of its own and passes everything on to one server.
//! [`Proxy::set`] changes its faults at any time, and [`Counts`] counts them. Random faults follow
//! from a seed. The proxy knows each request by its *label*. On a link to Redis the label is the
//! name of the command in capitals and its first argument, such as
//! `FCALL place_orders_payments_<hash>`. On an HTTP link it is the method and the path.
//!
//! - [`frame`](Protocol) finds where requests and answers end.
//! - [`Trap`] holds or cuts a connection at one command: before it, after it, or before its answer.
//! - `link` carries one connection; `tally` counts.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::{Context, Result};
use fastrand::Rng;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use stack::locked as lock;
use stack::ports::{self, Port};
use trap::Traps;

pub use frame::{MAX_FRAME, Protocol};
pub use tally::Counts;
pub use trap::{Armed, Moment, Spring, Trap};

mod frame;
mod link;
mod tally;
mod trap;

/// The largest number of connections. Further ones wait in the kernel until others have ended.
const MAX_CONNECTIONS: usize = 1_024;
/// The pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// A running proxy. All methods take `&self`; everything ends when it is dropped.
pub struct Proxy {
    state: Arc<State>,
    port: Port,
    _task: AbortOnDropHandle<()>,
}

/// The faults of a link. The default has no fault.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// New connections are closed as soon as they are made.
    pub refuse: bool,
    /// Bytes of this direction are held back until the block ends. Neither end notices, as in a
    /// network partition.
    pub block: Block,
    /// All bytes arrive this much later, in each direction.
    pub delay: Duration,
    /// All bytes are passed on in pieces of 1 to `piece` bytes; 0 does not split them.
    pub piece: usize,
    /// The probability, 0 to 1, that an answer is dropped and its connection cut. The server has
    /// then executed the command, and the client does not know it.
    pub drop_answers: f64,
}

/// The blocked direction of a link.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Block {
    /// No direction.
    #[default]
    Nothing,
    /// Requests do not arrive.
    ToServer,
    /// Answers do not arrive.
    ToClient,
    /// Neither requests nor answers arrive, as if the other machine were gone.
    Both,
}

/// The state that all connections of one proxy share.
struct State {
    protocol: Protocol,
    upstream: u16,
    faults: watch::Sender<Faults>,
    /// Ends all present connections; each cut replaces the token by a new one.
    cut: Mutex<CancellationToken>,
    traps: Mutex<Traps>,
    random: Mutex<Rng>,
    tally: Mutex<Counts>,
}

impl Proxy {
    /// Listens on a free loopback port in front of the loopback port `upstream`. The server need
    /// not listen yet. Needs a running runtime.
    pub fn start(protocol: Protocol, upstream: u16, seed: u64) -> Result<Self> {
        let port = ports::free()?;
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, port.number()))
            .context("cannot listen for the proxy")?;
        listener.set_nonblocking(true)?;
        let listener = TcpListener::from_std(listener)?;
        let state = Arc::new(State {
            protocol,
            upstream,
            faults: watch::Sender::default(),
            cut: Mutex::default(),
            traps: Mutex::default(),
            random: Mutex::new(Rng::with_seed(seed)),
            tally: Mutex::default(),
        });
        let task = AbortOnDropHandle::new(tokio::spawn(accept(listener, state.clone())));
        Ok(Self {
            state,
            port,
            _task: task,
        })
    }

    /// The port on which the proxy listens.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// Replaces the faults of the link.
    pub fn set(&self, faults: Faults) {
        self.state.faults.send_replace(faults);
    }

    /// The present faults of the link.
    pub fn faults(&self) -> Faults {
        *self.state.faults.borrow()
    }

    /// Ends all faults. Bytes that a block held back are passed on now, as after a partition. Traps
    /// stay armed.
    pub fn heal(&self) {
        self.set(Faults::default());
    }

    /// Closes every present connection. New connections are allowed.
    pub fn cut(&self) {
        let cut = std::mem::take(&mut *lock(&self.state.cut));
        cut.cancel();
    }

    /// Closes every present connection, and every new one until the link is healed.
    pub fn refuse(&self) {
        self.set(Faults {
            refuse: true,
            ..Faults::default()
        });
        self.cut();
    }

    /// Arms a trap. It springs at most once.
    pub fn arm(&self, trap: Trap) -> Armed {
        lock(&self.state.traps).arm(trap)
    }

    /// The counts so far.
    pub fn counts(&self) -> Counts {
        *lock(&self.state.tally)
    }
}

impl Block {
    fn stops(self, way: link::Way) -> bool {
        match self {
            Self::Nothing => false,
            Self::ToServer => way == link::Way::ToServer,
            Self::ToClient => way == link::Way::ToClient,
            Self::Both => true,
        }
    }
}

impl State {
    /// Draws whether an event of this probability happens now.
    fn chance(&self, likelihood: f64) -> bool {
        likelihood > 0.0 && lock(&self.random).f64() < likelihood
    }
}

/// Accepts until the task is aborted, which ends all connections as well.
async fn accept(listener: TcpListener, state: Arc<State>) {
    let mut links = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if links.len() < MAX_CONNECTIONS => match accepted {
                Ok((client, _)) => {
                    links.spawn(connect(client, state.clone()));
                }
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = links.join_next() => {}
        }
    }
}

/// Carries one connection to its end.
async fn connect(client: TcpStream, state: Arc<State>) {
    let cut = lock(&state.cut).clone();
    if state.faults.borrow().refuse {
        lock(&state.tally).refused += 1;
        return;
    }
    let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, state.upstream));
    // Without a server the client sees a closed connection, as with a server that has just died.
    let Ok(server) = TcpStream::connect(upstream).await else {
        return;
    };
    lock(&state.tally).connections += 1;
    link::carry(client, server, &state, &cut).await;
}
