//! A link between two processes that can be made to fail: an in-process TCP proxy.
//!
//! One [`Proxy`] listens on a loopback port of its own and passes everything on to one server. What
//! it does wrong is set with [`Proxy::set`] at any time, counted in [`Counts`], and drawn from a
//! seed. On a link to Redis it sees every command by its *label*: the name in capitals and the
//! first argument, such as `FCALL place_orders_payments_<hash>`. On an HTTP link that is the method and the path.
//!
//! - [`frame`](Protocol) finds where requests and answers end.
//! - [`Trap`] stops the world at one command, before it, behind it, or in between.
//! - `link` carries one connection; `tally` counts.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use fastrand::Rng;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use stack::ports::{self, Port};
use tally::Tally;
use trap::Traps;

pub use frame::{MAX_FRAME, Protocol};
pub use tally::Counts;
pub use trap::{Armed, Moment, Spring, Trap};

mod frame;
mod link;
mod tally;
mod trap;

/// More connections wait in the kernel until others have ended.
const MAX_CONNECTIONS: usize = 1_024;
/// After a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// A running proxy. All methods take `&self`; everything ends when it is dropped.
pub struct Proxy {
    state: Arc<State>,
    port: Port,
    task: JoinHandle<()>,
}

/// What a link does wrong. The default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Faults {
    /// New connections are closed as soon as they are made.
    pub refuse: bool,
    /// Bytes of this direction are kept until the block is gone. As in a partition, neither end is told.
    pub block: Block,
    /// Everything is this much late, each way.
    pub delay: Duration,
    /// Everything is passed on in pieces of 1 to this many bytes; 0 leaves it whole.
    pub piece: usize,
    /// The probability, 0 to 1, that an answer is swallowed and its connection cut: the command is done, and
    /// the client does not know.
    pub drop_answers: f64,
}

/// Which way of a link is blocked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Block {
    /// None.
    #[default]
    Nothing,
    /// Requests do not arrive.
    ToServer,
    /// Answers do not arrive.
    ToClient,
    /// Neither arrives: a black hole, or a connection whose other end is gone.
    Both,
}

/// What all connections of one proxy share.
struct State {
    protocol: Protocol,
    upstream: u16,
    faults: watch::Sender<Faults>,
    /// Ends the connections there are; each cut puts a new one in its place.
    cut: Mutex<CancellationToken>,
    traps: Mutex<Traps>,
    random: Mutex<Rng>,
    tally: Tally,
}

impl Proxy {
    /// Listens on a free port in front of `upstream` on the loopback interface, which need not
    /// listen yet. Needs a running runtime.
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
            tally: Tally::default(),
        });
        let task = tokio::spawn(accept(listener, state.clone()));
        Ok(Self { state, port, task })
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port.number()
    }

    /// From now on the link does this wrong, and nothing else.
    pub fn set(&self, faults: Faults) {
        self.state.faults.send_replace(faults);
    }

    /// What it does wrong now.
    pub fn faults(&self) -> Faults {
        *self.state.faults.borrow()
    }

    /// From now on the link does nothing wrong. What was held back by a block goes on its way late,
    /// as after a partition. Traps stay armed.
    pub fn heal(&self) {
        self.set(Faults::default());
    }

    /// Closes every connection there is. New ones may be made.
    pub fn cut(&self) {
        let cut = std::mem::take(&mut *lock(&self.state.cut));
        cut.cancel();
    }

    /// Closes every connection there is, and every new one until the link is healed.
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

    /// What it has done so far.
    pub fn counts(&self) -> Counts {
        self.state.tally.counts()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
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
    /// Whether something of this likelihood happens now.
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
        state.tally.refused();
        return;
    }
    let upstream = SocketAddr::from((Ipv4Addr::LOCALHOST, state.upstream));
    // Without a server the client sees its connection closed, which is what it would see of one
    // that has just died.
    let Ok(server) = TcpStream::connect(upstream).await else {
        return;
    };
    state.tally.connected();
    link::carry(client, server, &state, &cut).await;
}

/// A thread that panicked while holding the lock has not left anything half done that matters here.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
