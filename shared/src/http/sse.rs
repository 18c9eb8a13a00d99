//! Live streams: server-sent events, defined in
//! <https://html.spec.whatwg.org/multipage/server-sent-events.html>.
//!
//! Each event has the mark of its change as `id`. A client that was cut off sends the last `id` and
//! goes on from there. If the service cannot go on from there, it sends `reset`, and the client has
//! to read the lists again.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use poem::http::{HeaderValue, header};
use poem::{Body, IntoResponse, Response};
use poem_openapi::ApiResponse;
use poem_openapi::registry::{
    MetaMediaType, MetaResponse, MetaResponses, MetaSchema, MetaSchemaRef, Registry,
};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

mod last_event;

use crate::base::shutdown::Shutdown;
use crate::http::problem::{OVERLOADED, Problem};
pub use crate::http::sse::last_event::{EventId, LastEventIdHeader};
use crate::live::{Feed, FeedPositions, Mark, Notice, Show, Signal};
use crate::redis::RedisError;

/// Media type of a live stream.
const EVENT_STREAM: &str = "text/event-stream";
/// A client that was cut off and has missed more changes than this gets a `reset` instead.
const MAX_REPLAY: usize = 1_000;
/// `Retry-After` of an answer when too many clients are connected.
const BUSY_RETRY_AFTER: Duration = Duration::from_secs(5);
/// Most clients for which the process reads missed changes at the same time. Others wait their
/// turn.
const MAX_REPLAYS: usize = 16;
/// Most clients with a page of missed changes in memory. A page has up to 100 changes, about 100
/// KB. Without this limit, the clients of a process could together use up its memory.
pub(crate) const MAX_HELD_PAGES: usize = 128;
/// Longest wait of a client for such a page. After that it gets a `reset`.
const PAGE_TIMEOUT: Duration = Duration::from_secs(5);
/// Milliseconds that a client is asked to wait before it connects again.
const RECONNECT_MS: u64 = 2_000;
/// Interval of the comments that show that a stream without events is alive.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Opens live streams. Cheap to clone.
#[derive(Clone)]
pub struct Live<S> {
    feed: Feed<S>,
    clients: Arc<Semaphore>,
    replays: Arc<Semaphore>,
    pages: Arc<Semaphore>,
    shutdown: Shutdown,
}

/// An answer that is a live stream.
pub struct EventStream(Body);

/// One client of a live stream.
struct Client<S> {
    live: Live<S>,
    receiver: Receiver<Signal>,
    /// What the client has missed and was not sent yet.
    missed: Missed,
    /// Events to send before any new one.
    queue: VecDeque<Bytes>,
    /// The permit for a page of missed changes, held until the client has taken the whole page.
    page: Option<OwnedSemaphorePermit>,
    /// The newest repeated change of each partition. Changes up to it may also arrive live, and are
    /// then skipped.
    repeated: FeedPositions,
    _permit: OwnedSemaphorePermit,
}

/// What a client has missed and was not sent yet.
enum Missed {
    /// All changes after this one.
    After(Mark),
    /// The changes after the positions in [`Client::repeated`]; the number says how many were sent.
    Pages(usize),
    /// No changes.
    Nothing,
}

impl<S: Show> Live<S> {
    /// Live streams of `feed` for at most `clients` clients at once. They end on `shutdown`.
    pub fn new(feed: Feed<S>, clients: usize, shutdown: Shutdown) -> Self {
        let [clients, replays, pages] =
            [clients, MAX_REPLAYS, MAX_HELD_PAGES].map(|count| Arc::new(Semaphore::new(count)));
        Self {
            feed,
            clients,
            replays,
            pages,
            shutdown,
        }
    }

    /// The feed whose changes the streams send.
    pub fn feed(&self) -> &Feed<S> {
        &self.feed
    }

    /// Opens a stream for a client. It begins after the last event that the client received.
    pub async fn open(&self, last_event: Option<Mark>) -> Result<EventStream, Problem> {
        let permit = self.clients.clone().try_acquire_owned().map_err(|_| {
            let problem = Problem::new(&OVERLOADED, "too many live streams are open already");
            problem.retry_after(BUSY_RETRY_AFTER)
        })?;
        let (receiver, now) = self.feed.subscribe().await?;
        let client = Client {
            live: self.clone(),
            receiver,
            missed: last_event.map_or(Missed::Nothing, Missed::After),
            queue: VecDeque::from([greeting(last_event.is_none().then_some(now))]),
            page: None,
            repeated: FeedPositions::new(),
            _permit: permit,
        };
        let events = stream::unfold(client, |mut client| async {
            let event = client.next().await?;
            Some((Ok::<_, io::Error>(event), client))
        });
        Ok(EventStream(Body::from_bytes_stream(events)))
    }
}

impl<S: Show> Client<S> {
    /// The next piece of the stream; `None` at its end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.queue.pop_front() {
                return Some(event);
            }
            self.page = None;
            if !matches!(self.missed, Missed::Nothing) {
                self.repeat().await?;
                continue;
            }
            tokio::select! {
                () = self.live.shutdown.cancelled() => return None,
                () = tokio::time::sleep(KEEP_ALIVE) => return Some(Bytes::from_static(b": ping\n\n")),
                signal = self.receiver.recv() => match signal {
                    Ok(Signal::Notice(notice)) if self.has(notice.change.mark) => {}
                    Ok(Signal::Notice(notice)) => return Some(event(&notice)),
                    Ok(Signal::Reset) | Err(RecvError::Lagged(_)) => return self.reset().await,
                    Err(RecvError::Closed) => return None,
                },
            }
        }
    }

    /// Queues one page of missed changes. The next page is read only after the client has taken
    /// this one, so a client that does not read holds one page at most. `None` ends the stream.
    async fn repeat(&mut self) -> Option<()> {
        let page = self.live.pages.clone().acquire_owned();
        self.page = timeout(PAGE_TIMEOUT, page).await.ok().and_then(Result::ok);
        let page = if self.page.is_some() {
            self.read_missed().await
        } else {
            None
        };
        if let Some(page) = page {
            self.queue.extend(page.iter().map(event));
        } else {
            let reset = self.reset().await?;
            self.queue.push_back(reset);
        }
        Some(())
    }

    /// Waits for its turn, then reads the next page of missed changes. `None`: send a `reset`.
    async fn read_missed(&mut self) -> Option<Vec<Notice>> {
        let _turn = self.live.replays.clone().acquire_owned().await;
        self.next_missed().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "cannot read what a live stream has missed");
            None
        })
    }

    /// The next page of missed changes. `None` if the client has to read the lists again: the store
    /// no longer has all changes since its mark, or there are more than [`MAX_REPLAY`]. The changes
    /// are counted before the first page is sent, because a `reset` makes them worthless. Only a
    /// client that reads slowly, while many things change, may receive pages and then a `reset`.
    async fn next_missed(&mut self) -> Result<Option<Vec<Notice>>, RedisError> {
        let feed = &self.live.feed;
        let repeated = match std::mem::replace(&mut self.missed, Missed::Nothing) {
            Missed::After(mark) => match feed.positions_after(mark, MAX_REPLAY).await? {
                Some(positions) => {
                    self.repeated = positions;
                    0
                }
                None => return Ok(None),
            },
            Missed::Pages(repeated) => repeated,
            Missed::Nothing => return Ok(Some(Vec::new())),
        };
        let Some(page) = feed.next_page(&mut self.repeated).await? else {
            return Ok(None);
        };
        let repeated = repeated + page.count;
        if page.has_more {
            self.missed = Missed::Pages(repeated);
        }
        Ok(Some(page.notices).filter(|_| repeated <= MAX_REPLAY))
    }

    fn has(&self, mark: Mark) -> bool {
        self.repeated
            .get(&mark.partition)
            .is_some_and(|&repeated| mark.position <= repeated)
    }

    /// Tells the client to read the lists again; the stream goes on from the newest change. `None`
    /// ends the stream: the store cannot tell which change is the newest, and the client has to
    /// connect again.
    async fn reset(&mut self) -> Option<Bytes> {
        let (receiver, now) = self.live.feed.subscribe().await.ok()?;
        self.receiver = receiver;
        self.missed = Missed::Nothing;
        self.repeated.clear();
        Some(format!("id: {now}\nevent: reset\ndata: {{}}\n\n").into())
    }
}

/// The first piece of a stream: how long to wait before connecting again, and the mark at which the
/// stream begins. A block without data sets the last event id, and the browser dispatches no event.
fn greeting(now: Option<Mark>) -> Bytes {
    let id = now.map(|mark| format!("id: {mark}\n")).unwrap_or_default();
    format!("retry: {RECONNECT_MS}\n{id}\n").into()
}

/// The event of a change, written once for all clients. The JSON here has no line breaks, nor have
/// kinds and marks, so each field is one line.
fn event(notice: &Notice) -> Bytes {
    let Notice {
        change,
        data,
        frame,
    } = notice;
    let write = || {
        format!(
            "id: {}\nevent: {}\ndata: {data}\n\n",
            change.mark, change.kind
        )
        .into()
    };
    frame.get_or_init(write).clone()
}

impl IntoResponse for EventStream {
    fn into_response(self) -> Response {
        let mut response = Response::builder().content_type(EVENT_STREAM).body(self.0);
        let headers = response.headers_mut();
        headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
        // Asks a proxy such as nginx to pass on each event at once.
        headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
        response
    }
}

impl ApiResponse for EventStream {
    fn meta() -> MetaResponses {
        let schema = MetaSchema {
            description: Some("Server-sent events: `id`, `event`, and the resource as `data`."),
            example: Some("event: reset\ndata: {}\n\n".into()),
            ..MetaSchema::new("string")
        };
        let content = MetaMediaType {
            content_type: EVENT_STREAM,
            schema: MetaSchemaRef::Inline(Box::new(schema)),
        };
        MetaResponses {
            responses: vec![MetaResponse {
                description: "A stream that stays open",
                status: Some(200),
                status_range: None,
                content: vec![content],
                headers: Vec::new(),
            }],
        }
    }

    fn register(_registry: &mut Registry) {}
}
