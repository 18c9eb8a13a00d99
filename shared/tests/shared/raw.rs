//! A connection on which a test sends any bytes it likes.

use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::http::{LIMIT, Server};

pub(crate) struct Raw(pub(crate) TcpStream);

/// An answer as it came over the wire.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) head: String,
    pub(crate) body: String,
}

impl Raw {
    pub(crate) async fn to(server: &Server) -> Self {
        Self(TcpStream::connect(server.address).await.unwrap())
    }

    /// Sends this text, and reads until the server closes the connection.
    pub(crate) async fn all(server: &Server, text: impl AsRef<[u8]>) -> String {
        let mut raw = Self::to(server).await;
        raw.say(text).await;
        raw.rest().await
    }

    pub(crate) async fn say(&mut self, text: impl AsRef<[u8]>) {
        self.0.write_all(text.as_ref()).await.unwrap();
    }

    /// Sends this text, and closes the sending side.
    pub(crate) async fn end(&mut self, text: impl AsRef<[u8]>) {
        self.say(text).await;
        self.0.shutdown().await.unwrap();
    }

    /// Reads one answer that has a `Content-Length`.
    pub(crate) async fn answer(&mut self) -> Said {
        self.answer_within(LIMIT).await
    }

    pub(crate) async fn answer_within(&mut self, limit: Duration) -> Said {
        let mut read = Vec::new();
        let whole = async {
            loop {
                let text = String::from_utf8(read.clone()).unwrap();
                if let Some((head, body)) = text.split_once("\r\n\r\n")
                    && body.len() >= length(head)
                {
                    return Said {
                        head: head.to_owned(),
                        body: body.to_owned(),
                    };
                }
                assert_ne!(self.0.read_buf(&mut read).await.unwrap(), 0, "{text}");
            }
        };
        timeout(limit, whole).await.expect("there is no answer")
    }

    /// Reads to the end of the connection, which must come without an error.
    pub(crate) async fn rest(&mut self) -> String {
        let mut read = Vec::new();
        let whole = timeout(LIMIT, self.0.read_to_end(&mut read)).await;
        whole.expect("the connection stays open").unwrap();
        String::from_utf8(read).unwrap()
    }

    /// How long the server keeps the connection open, and what it sends until then.
    pub(crate) async fn kept(&mut self) -> (Duration, String) {
        let started = Instant::now();
        let rest = self.rest().await;
        (started.elapsed(), rest)
    }
}

impl Said {
    /// The one answer that is all of this text.
    pub(crate) fn parse(text: &str) -> Self {
        let (head, body) = text
            .split_once("\r\n\r\n")
            .unwrap_or_else(|| panic!("{text:?}"));
        assert_eq!(body.len(), length(head), "{text}");
        Self {
            head: head.to_owned(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn status(&self) -> u16 {
        self.head.split(' ').nth(1).unwrap().parse().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines
            .find(|(found, _)| *found == name)
            .map(|(_, value)| value)
    }

    /// Asserts that this answer is a problem with all members of a problem. Answers its `detail`.
    pub(crate) fn problem(&self, status: u16, slug: &str) -> String {
        assert_eq!(self.status(), status, "{self:?}");
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        let problem: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(problem["type"], format!("/problems/{slug}"), "{self:?}");
        assert_eq!(problem["status"], status, "{self:?}");
        assert_eq!(
            problem["request_id"].as_str(),
            self.header("x-request-id"),
            "{self:?}"
        );
        assert!(
            self.header("traceparent").is_some() && self.header("date").is_some(),
            "{self:?}"
        );
        problem["detail"].as_str().unwrap().to_owned()
    }

    /// The same as `problem`, for an answer after which the server closes the connection.
    pub(crate) fn last_problem(&self, status: u16, slug: &str) -> String {
        assert_eq!(self.header("connection"), Some("close"), "{self:?}");
        self.problem(status, slug)
    }
}

fn length(head: &str) -> usize {
    let lower = head.to_lowercase();
    let length = lower
        .lines()
        .find_map(|line| line.strip_prefix("content-length: "));
    length.map_or(0, |length| length.parse().unwrap())
}
