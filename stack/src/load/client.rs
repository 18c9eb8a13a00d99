//! One HTTP/1.1 connection, which sends one request after the other.

use std::net::SocketAddr;
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::request::Request;

/// The largest number of headers of an answer.
const MAX_HEADERS: usize = 64;
/// The largest answer in bytes.
const MAX_ANSWER: usize = 1024 * 1024;
const BUFFER: usize = 16 * 1024;

/// A connection with its buffers.
pub(super) struct Client {
    stream: TcpStream,
    request: Vec<u8>,
    answer: Vec<u8>,
}

/// An answer that is valid until the next request is sent.
pub(super) struct Seen<'a> {
    pub(super) status: u16,
    pub(super) body: &'a [u8],
    whole: &'a [u8],
}

/// An answer to keep.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The head and the body as they were received.
    pub whole: Vec<u8>,
    /// The body.
    pub body: Vec<u8>,
    /// The time at which its request should have been sent, by the clock of the machine.
    pub meant: SystemTime,
}

/// The status and the length of an answer.
#[derive(Debug, PartialEq)]
struct Extent {
    status: u16,
    head: usize,
    body: usize,
}

impl Client {
    pub(super) async fn connect(to: SocketAddr) -> Result<Self> {
        let stream = TcpStream::connect(to)
            .await
            .with_context(|| format!("no answer at {to}"))?;
        stream.set_nodelay(true)?;
        Ok(Self {
            stream,
            request: Vec::with_capacity(BUFFER),
            answer: Vec::with_capacity(BUFFER),
        })
    }

    /// Sends the request of this number and reads its whole answer.
    pub(super) async fn ask(&mut self, request: &Request, number: u64) -> Result<Seen<'_>> {
        request.write(number, &mut self.request);
        self.stream.write_all(&self.request).await?;
        self.answer.clear();
        let extent = loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                bail!("the connection was closed in the middle of an answer");
            }
            match extent(&self.answer)? {
                Some(extent) if self.answer.len() >= extent.head + extent.body => break extent,
                _ if self.answer.len() > MAX_ANSWER => bail!("an answer without end"),
                _ => {}
            }
        };
        let Extent { status, head, body } = extent;
        let whole = &self.answer[..head + body];
        Ok(Seen {
            status,
            body: &whole[head..],
            whole,
        })
    }
}

impl Seen<'_> {
    #[expect(
        clippy::disallowed_methods,
        reason = "it is put beside what stores say, and decides nothing"
    )]
    pub(super) fn to_owned(&self, intended: Instant) -> Answer {
        let meant = SystemTime::now() - intended.elapsed();
        Answer {
            whole: self.whole.to_vec(),
            body: self.body.to_vec(),
            meant,
        }
    }
}

/// Parses the head; `None` while it is incomplete. Every answer has to have a `Content-Length`.
fn extent(bytes: &[u8]) -> Result<Option<Extent>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(bytes)? else {
        return Ok(None);
    };
    let length = response
        .headers
        .iter()
        .find(|it| it.name.eq_ignore_ascii_case("content-length"));
    let length = length.context("an answer that does not say how long it is")?;
    let body = std::str::from_utf8(length.value)?.parse()?;
    Ok(Some(Extent {
        status: response.code.unwrap_or_default(),
        head,
        body,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_ends_where_its_head_says() {
        let bytes = b"HTTP/1.1 201 Created\r\nContent-Length: 3\r\n\r\nabc";
        let found = extent(bytes).unwrap().unwrap();
        assert_eq!(
            found,
            Extent {
                status: 201,
                head: bytes.len() - 3,
                body: 3
            }
        );
        assert_eq!(extent(&bytes[..30]).unwrap(), None);
        assert!(extent(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
        assert!(extent(b"no HTTP at all\r\n\r\n").is_err());
    }
}
