//! One connection through a proxy. Each of its two directions is read only as fast as it is passed
//! on.

use std::collections::VecDeque;
use std::io;
use std::sync::Mutex;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::task::yield_now;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::trap::Sprung;
use super::{Faults, MAX_FRAME, Moment, Spring, State, lock};

/// The number of bytes that are read at once.
const CHUNK: usize = 64 * 1024;
/// The largest number of unanswered requests. The clients here never have more.
const MAX_PENDING: usize = 100_000;

/// A direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Way {
    ToServer,
    ToClient,
}

/// How a connection ends.
enum End {
    /// One of its ends closed it, or failed.
    Closed,
    /// The proxy closes it.
    Cut,
    /// A trap holds the connection until the client is gone.
    Held,
}

/// Whether an answer is passed on.
enum Fate {
    Passed,
    Swallowed(Option<Sprung>),
    PassedIntoTrap(Sprung),
}

struct Link<'a> {
    state: &'a State,
    /// The labels of the requests that are not answered yet, oldest first.
    pending: Mutex<VecDeque<String>>,
}

/// Carries a connection to its end.
pub(super) async fn carry(
    mut client: TcpStream,
    mut server: TcpStream,
    state: &State,
    cut: &CancellationToken,
) {
    // The kernel must not join the pieces of a split write again.
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let link = Link {
        state,
        pending: Mutex::default(),
    };
    let (client_reader, client_writer) = client.split();
    let (server_reader, server_writer) = server.split();
    let end = tokio::select! {
        () = cut.cancelled() => End::Cut,
        end = link.requests(client_reader, server_writer) => end.unwrap_or(End::Closed),
        end = link.answers(server_reader, client_writer) => end.unwrap_or(End::Closed),
    };
    match end {
        End::Closed => {}
        End::Cut => lock(&state.tally).cut += 1,
        End::Held => {
            tokio::select! {
                () = cut.cancelled() => {}
                () = until_gone(&mut client) => {}
            }
            lock(&state.tally).cut += 1;
        }
    }
}

impl Link<'_> {
    async fn requests(&self, mut from: ReadHalf<'_>, to: WriteHalf<'_>) -> io::Result<End> {
        let mut out = self.outlet(to, Way::ToServer);
        let mut buffer = BytesMut::with_capacity(CHUNK);
        loop {
            let mut whole = 0;
            while let Some(request) = {
                let waiting = !lock(&self.pending).is_empty();
                self.state.protocol.request(&buffer[whole..], waiting)
            } {
                if let Some(label) = request.label {
                    lock(&self.state.tally).requests += 1;
                    if let Some(sprung) = self.pass(Moment::Before, &label, &[]) {
                        out.write(&buffer.split_to(whole)).await?;
                        return Ok(self.spring(sprung));
                    }
                    lock(&self.pending).push_back(label);
                }
                whole += request.len;
            }
            out.write(&buffer.split_to(whole)).await?;
            if buffer.len() > MAX_FRAME || lock(&self.pending).len() > MAX_PENDING {
                return Ok(End::Cut);
            }
            buffer.reserve(CHUNK);
            if from.read_buf(&mut buffer).await? == 0 {
                // A block stops the news of the end as well.
                return out.unblocked().await.map(|()| End::Closed);
            }
        }
    }

    async fn answers(&self, mut from: ReadHalf<'_>, to: WriteHalf<'_>) -> io::Result<End> {
        let mut out = self.outlet(to, Way::ToClient);
        let mut buffer = BytesMut::with_capacity(CHUNK);
        loop {
            let mut whole = 0;
            while let Some(answer) = {
                let waiting = !lock(&self.pending).is_empty();
                self.state.protocol.answer(&buffer[whole..], waiting)
            } {
                let request = if answer.is_reply {
                    lock(&self.pending).pop_front()
                } else {
                    None
                };
                let fate =
                    request.map(|label| self.fate(&label, &buffer[whole..whole + answer.len]));
                match fate.unwrap_or(Fate::Passed) {
                    Fate::Passed => whole += answer.len,
                    Fate::Swallowed(sprung) => {
                        out.write(&buffer.split_to(whole)).await?;
                        return Ok(sprung.map_or(End::Cut, |sprung| self.spring(sprung)));
                    }
                    Fate::PassedIntoTrap(sprung) => {
                        out.write(&buffer.split_to(whole + answer.len)).await?;
                        return Ok(self.spring(sprung));
                    }
                }
            }
            out.write(&buffer.split_to(whole)).await?;
            if buffer.len() > MAX_FRAME {
                return Ok(End::Cut);
            }
            buffer.reserve(CHUNK);
            if from.read_buf(&mut buffer).await? == 0 {
                // A block stops the news of the end as well.
                return out.unblocked().await.map(|()| End::Closed);
            }
        }
    }

    fn fate(&self, label: &str, answer: &[u8]) -> Fate {
        if let Some(sprung) = self.pass(Moment::Executed, label, answer) {
            return Fate::Swallowed(Some(sprung));
        }
        let likelihood = self.state.faults.borrow().drop_answers;
        if self.state.chance(likelihood) {
            lock(&self.state.tally).dropped_answers += 1;
            return Fate::Swallowed(None);
        }
        let sprung = self.pass(Moment::Answered, label, answer);
        sprung.map_or(Fate::Passed, Fate::PassedIntoTrap)
    }

    fn pass(&self, moment: Moment, label: &str, answer: &[u8]) -> Option<Sprung> {
        lock(&self.state.traps).pass(moment, label, answer)
    }

    fn spring(&self, sprung: Sprung) -> End {
        lock(&self.state.tally).sprung += 1;
        let end = match sprung.spring {
            Spring::Hold => End::Held,
            Spring::Cut => End::Cut,
        };
        sprung.tell();
        end
    }

    fn outlet<'a>(&'a self, to: WriteHalf<'a>, way: Way) -> Outlet<'a> {
        Outlet {
            state: self.state,
            faults: self.state.faults.subscribe(),
            to,
            way,
        }
    }
}

/// The outgoing side of one direction, with the faults of the link.
struct Outlet<'a> {
    state: &'a State,
    faults: watch::Receiver<Faults>,
    to: WriteHalf<'a>,
    way: Way,
}

impl Outlet<'_> {
    async fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let (faults, tally) = (*self.faults.borrow(), &self.state.tally);
        if !faults.delay.is_zero() {
            lock(tally).delayed += 1;
            sleep(faults.delay).await;
        }
        if faults.block.stops(self.way) {
            lock(tally).blocked += 1;
            self.unblocked().await?;
        }
        if faults.piece == 0 {
            self.to.write_all(bytes).await?;
        } else {
            lock(tally).split += 1;
            self.write_in_pieces(bytes, faults.piece).await?;
        }
        let len = bytes.len() as u64;
        match self.way {
            Way::ToServer => lock(tally).bytes_to_server += len,
            Way::ToClient => lock(tally).bytes_to_client += len,
        }
        Ok(())
    }

    /// Waits until this direction is not blocked.
    async fn unblocked(&mut self) -> io::Result<()> {
        let way = self.way;
        let open = self
            .faults
            .wait_for(|faults| !faults.block.stops(way))
            .await;
        open.map(drop).map_err(io::Error::other)
    }

    async fn write_in_pieces(&mut self, mut bytes: &[u8], most: usize) -> io::Result<()> {
        while !bytes.is_empty() {
            let len = lock(&self.state.random).usize(1..=most).min(bytes.len());
            let (piece, rest) = bytes.split_at(len);
            self.to.write_all(piece).await?;
            // Lets the other end read this piece before the next one.
            yield_now().await;
            bytes = rest;
        }
        Ok(())
    }
}

/// Reads and discards bytes until the client has closed its end.
async fn until_gone(client: &mut TcpStream) {
    let mut void = [0; 1_024];
    while matches!(client.read(&mut void).await, Ok(1..)) {}
}
