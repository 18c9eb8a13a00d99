//! The socket beneath the HTTP library, with a time limit for each wait for the client.
//!
//! The HTTP library has one limit for a head and for the pause before it, and makes a timer for
//! each request. The wire has a limit for each of the two. All waits of a connection share one
//! timer. The timer is set anew only when it has run out, or when a limit is earlier than the
//! timer. So most requests do not touch it.

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

/// Most bytes that the wire hands to the socket at once. The kernel may keep one such piece beyond
/// [`super::MAX_UNSENT`].
pub(in crate::http) const MAX_PIECE: usize = 16 * 1024;
/// Most buffers that the wire hands to the socket at once: a head and a body, or a few events.
const MAX_BUFFERS: usize = 16;
/// A head and a body of at most this many bytes are copied into one buffer. One buffer costs the
/// kernel less than two, and most answers are this short.
const SHORT: usize = 1024;
/// Most bytes of a head that the wire keeps, to tell the client what is wrong with the head.
pub(in crate::http) const KEPT_HEAD: usize = 4 * 1024;

/// While a client takes nothing, the wire checks at this interval whether all permits are taken.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// One connection, as the HTTP library sees it.
pub(super) struct Wire {
    stream: TcpStream,
    peer: Arc<Peer>,
    terms: Arc<Terms>,
    timer: Pin<Box<Sleep>>,
    /// When the wait for a head, or for the next request, began.
    waits_since: Option<Instant>,
    /// How fast the client takes the answer.
    pace: Pace,
    /// The beginning of the last head. The next head reuses the memory.
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

    /// Ends the connection so that the client receives the last answer.
    pub(super) async fn end(mut self, outcome: hyper::Result<()>) -> io::Result<()> {
        self.peer.held.release();
        let stage = self.peer.progress.stage();
        if let Err(error) = &outcome {
            // The wire did not keep a head that arrived together with an earlier request.
            let head = if stage == Stage::Answered {
                &[]
            } else {
                &self.head[..]
            };
            let Some(answer) = malformed::refusal(error, head, stage, &self.terms) else {
                // The client is gone, or reads nothing.
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

    /// Ready once a wait that began at `since` has reached its limit.
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
            // The limit is shorter while all permits are taken. The last permit wakes no
            // connection, so each connection has to check.
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
            // `request::body` has the limit for a body.
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

    /// Notes what the client has taken, and fails a client that takes too little.
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
                let is_excess = self.peer.held.stop(&self.peer.untaken);
                let wait = if is_excess { Wait::Excess } else { Wait::Write };
                let limit = self.poll_limit(wait, since, context);
                return limit.map(|()| Err(io::ErrorKind::TimedOut.into()));
            }
        }
        written
    }

    /// Notes the stage of the request, and the beginning of its head, from bytes that arrived.
    fn note(&mut self, bytes: &[u8]) {
        match self.peer.progress.stage() {
            // An empty line begins no request: some clients send one after a body.
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
            // The HTTP library reads again only after it has sent the answer.
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

    /// Writes a head and its body with one system call. Only short ones are copied together.
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

    /// The HTTP library flushes once it has handed over the whole answer.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.pace.finish();
        Pin::new(&mut self.stream).poll_flush(context)
    }

    /// Does nothing: [`Wire::end`] closes the socket, because the wire may still send an answer.
    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// The bytes of all buffers, copied into `room`. They have to fit.
fn joined<'a>(buffers: &[IoSlice<'_>], room: &'a mut [u8; SHORT]) -> &'a [u8] {
    let mut end = 0;
    for buffer in buffers {
        room[end..end + buffer.len()].copy_from_slice(buffer);
        end += buffer.len();
    }
    &room[..end]
}

/// Puts the first [`MAX_PIECE`] bytes of the buffers into `pieces`. Answers how many pieces it
/// filled.
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
