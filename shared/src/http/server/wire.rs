//! What lies beneath the HTTP library: a socket whose peer may not keep it waiting for ever.
//!
//! The HTTP library has one limit for a head and for the pause before it, and makes a timer for each
//! request. The wire has a limit for each of the two. All waits of a connection share one timer, which
//! is moved when it has run out, or when a wait ends before it: most requests move no timer.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until, timeout};

use super::pace::{Pace, WRITE_TIMEOUT};
use super::terms::{Terms, Wait};
use super::{drain, malformed};
use crate::http::peer::{Peer, Stage};

/// Bytes that are handed to the socket at once. It may keep one such piece more than
/// [`super::MAX_UNSENT`].
pub(in crate::http) const MAX_PIECE: usize = 16 * 1024;
/// Buffers that are handed to the socket at once: a head and a body, or a few events.
const MAX_BUFFERS: usize = 16;
/// A head and a body of no more bytes are copied together. The kernel takes one buffer for less than
/// two, and most answers are this short.
const SHORT: usize = 1024;
/// Bytes of a head that are kept, to tell what is wrong with it.
pub(in crate::http) const KEPT_HEAD: usize = 4 * 1024;

/// Pause between two looks whether all permits are taken, for a client that takes nothing.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// One connection, as the HTTP library sees it.
pub(super) struct Wire {
    stream: TcpStream,
    peer: Arc<Peer>,
    terms: Arc<Terms>,
    timer: Pin<Box<Sleep>>,
    /// When the wait for a head, or for the request after an answer, began.
    waits_since: Option<Instant>,
    /// How fast the client takes the answer.
    pace: Pace,
    /// The beginning of the last head. The memory is used again for the next one.
    head: Vec<u8>,
}

impl Wire {
    pub(super) fn new(stream: TcpStream, peer: Arc<Peer>, terms: Arc<Terms>) -> Self {
        let now = Instant::now();
        let timer = Box::pin(sleep_until(now + terms.head));
        let (waits_since, pace, head) = (Some(now), Pace::default(), Vec::new());
        Self {
            stream,
            peer,
            terms,
            timer,
            waits_since,
            pace,
            head,
        }
    }

    /// Ends the connection in such a way that the client receives the last answer.
    pub(super) async fn end(mut self, outcome: hyper::Result<()>) -> io::Result<()> {
        self.peer.held.release();
        let stage = self.peer.progress.stage();
        if let Err(error) = &outcome {
            // A head that arrived together with an earlier request was not kept.
            let head = if stage == Stage::Answered {
                &[]
            } else {
                &self.head[..]
            };
            let Some(answer) = malformed::refusal(error, head, stage, &self.terms) else {
                // The client is gone, or takes nothing.
                return Ok(());
            };
            timeout(WRITE_TIMEOUT, self.stream.write_all(&answer)).await??;
        }
        self.stream.shutdown().await?;
        if stage == Stage::Unread || outcome.is_err_and(|error| error.is_parse()) {
            self.peer.waits.begin(Instant::now());
            drain::read_on(&mut self.stream).await;
        }
        Ok(())
    }

    /// Whether a wait that began at `since` has been too long.
    fn poll_limit(&mut self, wait: Wait, since: Instant, context: &mut Context<'_>) -> Poll<()> {
        let soonest = since + self.terms.soonest(wait);
        if self.timer.deadline() > soonest {
            self.timer.as_mut().reset(soonest);
        }
        while self.timer.as_mut().poll(context).is_ready() {
            let (now, end) = (Instant::now(), since + self.terms.of(wait));
            if now >= end {
                return Poll::Ready(());
            }
            // Nobody wakes this connection when the last permit is taken, so it looks.
            self.timer
                .as_mut()
                .reset(end.min(soonest.max(now + LOOK_AGAIN)));
        }
        Poll::Pending
    }

    fn poll_head(&mut self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let wait = match self.peer.progress.stage() {
            Stage::New | Stage::Head => Wait::Head,
            Stage::Idle => Wait::Idle,
            // The reader of a body has a limit of its own.
            _ => return Poll::Pending,
        };
        let since = self.waits_since.unwrap_or_else(|| {
            let now = Instant::now();
            self.peer.waits.begin(now);
            now
        });
        self.waits_since = Some(since);
        self.poll_limit(wait, since, context)
            .map(|()| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Whether a client that has taken this much, or nothing, is still given time.
    fn keep_pace(
        &mut self,
        written: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        match written {
            Poll::Ready(Ok(bytes)) => self.pace.take(bytes),
            Poll::Ready(Err(_)) => {}
            Poll::Pending => {
                let since = self.pace.stop(Instant::now());
                let untaken = &self.peer.untaken;
                let is_excess = self.peer.held.stop(untaken) && untaken.is_exceeded();
                let wait = if is_excess { Wait::Excess } else { Wait::Write };
                let limit = self.poll_limit(wait, since, context);
                return limit.map(|()| Err(io::ErrorKind::TimedOut.into()));
            }
        }
        written
    }

    /// Looks at what has arrived.
    fn note(&mut self, bytes: &[u8]) {
        match self.peer.progress.stage() {
            // An empty line is no beginning: some clients end a body with one.
            Stage::New | Stage::Idle if bytes.iter().all(|byte| b"\r\n".contains(byte)) => return,
            Stage::New => self.peer.progress.set(Stage::Head),
            Stage::Idle => {
                self.peer.progress.set(Stage::Head);
                self.waits_since = None;
            }
            Stage::Head => {}
            _ => return,
        }
        let room = KEPT_HEAD - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }
}

impl AsyncRead for Wire {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.peer.progress.stage() == Stage::Answered {
            // The HTTP library reads on once the answer is sent.
            self.peer.progress.set(Stage::Idle);
            self.peer.held.release();
            self.waits_since = None;
            self.head.clear();
        }
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        match read {
            Poll::Pending => return self.poll_head(context),
            Poll::Ready(Ok(())) => self.note(&buffer.filled()[before..]),
            Poll::Ready(Err(_)) => {}
        }
        read
    }
}

impl AsyncWrite for Wire {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if malformed::is_automatic(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let piece = &bytes[..bytes.len().min(MAX_PIECE)];
        let written = Pin::new(&mut self.stream).poll_write(context, piece);
        self.keep_pace(written, context)
    }

    /// A head and its body in one piece. A long body is not copied.
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffers: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let total: usize = buffers.iter().map(|buffer| buffer.len()).sum();
        if total <= MAX_PIECE {
            if let [only] = buffers
                && malformed::is_automatic(only)
            {
                return Poll::Ready(Ok(only.len()));
            }
            let written = if total <= SHORT {
                let mut room = [0; SHORT];
                Pin::new(&mut self.stream).poll_write(context, joined(buffers, &mut room))
            } else {
                Pin::new(&mut self.stream).poll_write_vectored(context, buffers)
            };
            return self.keep_pace(written, context);
        }
        let mut pieces = [IoSlice::new(&[]); MAX_BUFFERS];
        let count = cut(buffers, &mut pieces);
        let written = Pin::new(&mut self.stream).poll_write_vectored(context, &pieces[..count]);
        self.keep_pace(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    /// The HTTP library flushes when it has handed over all it has.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pace.finish();
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// [`Wire::end`] closes the socket, because the wire may have more to say than the library.
    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The bytes of all buffers, copied into `room`, which they must fit.
fn joined<'a>(buffers: &[IoSlice<'_>], room: &'a mut [u8; SHORT]) -> &'a [u8] {
    let mut end = 0;
    for buffer in buffers {
        room[end..end + buffer.len()].copy_from_slice(buffer);
        end += buffer.len();
    }
    &room[..end]
}

/// The first [`MAX_PIECE`] bytes of what there is to write, and in how many buffers.
fn cut<'a>(buffers: &'a [IoSlice<'_>], pieces: &mut [IoSlice<'a>; MAX_BUFFERS]) -> usize {
    let (mut left, mut count) = (MAX_PIECE, 0);
    for (buffer, piece) in buffers.iter().zip(pieces) {
        let bytes = buffer.len().min(left);
        *piece = IoSlice::new(&buffer[..bytes]);
        (left, count) = (left - bytes, count + 1);
        if left == 0 {
            break;
        }
    }
    count
}
