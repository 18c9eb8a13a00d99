//! Reads a live stream, as a browser would.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::{RequestBuilder, Response};

/// An open live stream.
pub struct Events {
    response: Response,
    buffer: String,
    last_id: Option<String>,
    comments: usize,
}

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServerEvent {
    /// The last id that the stream sent, with this event or before it.
    pub id: String,
    /// The name of the event.
    pub event: String,
    /// Its data.
    pub data: String,
}

impl Events {
    /// Opens a stream, and waits for its first bytes. From then on no event is missed.
    pub async fn open(request: RequestBuilder) -> Result<Self> {
        let response = request.header("accept", "text/event-stream").send().await?;
        if response.status() != 200 {
            bail!("{}: {}", response.status(), response.text().await?);
        }
        let mut events = Self {
            response,
            buffer: String::new(),
            last_id: None,
            comments: 0,
        };
        events.fill().await?;
        Ok(events)
    }

    /// The value of a header of the answer.
    pub fn header(&self, name: &str) -> &str {
        let value = self.response.headers().get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The id to send as `Last-Event-ID` when the stream is opened again now.
    pub fn last_id(&self) -> Option<&str> {
        self.last_id.as_deref()
    }

    /// The number of comments so far. The service sends them to keep the connection alive.
    pub fn comments(&self) -> usize {
        self.comments
    }

    /// The next event, or `None` at the end of the stream. Fails if no bytes arrive for `limit`.
    pub async fn next(&mut self, limit: Duration) -> Result<Option<ServerEvent>> {
        loop {
            if let Some(event) = self.take() {
                return Ok(Some(event));
            }
            let filled = tokio::time::timeout(limit, self.fill()).await;
            if !filled.context("no event came")?? {
                return Ok(None);
            }
        }
    }

    async fn fill(&mut self) -> Result<bool> {
        let Some(chunk) = self.response.chunk().await? else {
            return Ok(false);
        };
        self.buffer.push_str(std::str::from_utf8(&chunk)?);
        Ok(true)
    }

    /// Takes whole blocks from the buffer until one of them is an event.
    fn take(&mut self) -> Option<ServerEvent> {
        while let Some(end) = self.buffer.find("\n\n") {
            let block: String = self.buffer.drain(..end + 2).collect();
            let mut event = ServerEvent::default();
            for line in block.lines() {
                match line.split_once(": ") {
                    Some(("", _)) => self.comments += 1,
                    Some(("id", id)) => self.last_id = Some(id.to_owned()),
                    Some(("event", name)) => name.clone_into(&mut event.event),
                    Some(("data", data)) => data.clone_into(&mut event.data),
                    _ => {}
                }
            }
            if !event.data.is_empty() {
                event.id = self.last_id.clone().unwrap_or_default();
                return Some(event);
            }
        }
        None
    }
}
