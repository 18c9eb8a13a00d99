//! The last event that a client of a live stream received. A browser sends its id in the header
//! `Last-Event-ID`. A client that cannot set headers sends the id in the query.

use poem::Request;
use poem_openapi::registry::MetaSchema;
use poem_openapi::types::{ParseError, ParseFromParameter, ParseResult};

use crate::http::parameter::{header_parameter, invalid};
use crate::http::problem::Problem;
use crate::live::Mark;

/// The header `Last-Event-ID`.
#[derive(Debug)]
pub struct LastEventIdHeader(Option<Mark>);

/// The id of an event in the query. An empty id stands for no event, as in the header.
#[derive(Debug)]
pub struct EventId(Option<Mark>);

const HEADER: &str = "Last-Event-ID";
const EXPECTED: &str = "must be the id of an event of this stream";

impl LastEventIdHeader {
    /// The event of the header; if the header has none, the event of the query. When a browser
    /// connects again, it repeats the query of its first request, so the header is newer.
    pub fn or(self, query: Option<EventId>) -> Option<Mark> {
        self.0.or(query.and_then(|EventId(mark)| mark))
    }

    fn read(request: &Request) -> Result<Self, Problem> {
        let mut lines = request.headers().get_all(HEADER).iter();
        let (first, second) = (lines.next(), lines.next());
        if second.is_some() {
            return Err(invalid(HEADER, "must be given once"));
        }
        let text = first
            .map_or(Ok(""), |line| line.to_str())
            .map_err(|_| EXPECTED);
        text.and_then(read)
            .map(Self)
            .map_err(|fault| invalid(HEADER, fault))
    }
}

fn read(text: &str) -> Result<Option<Mark>, &'static str> {
    if text.is_empty() {
        Ok(None)
    } else {
        text.parse().map(Some).map_err(|_| EXPECTED)
    }
}

impl ParseFromParameter for EventId {
    fn parse_from_parameter(text: &str) -> ParseResult<Self> {
        read(text).map(Self).map_err(ParseError::custom)
    }
}

header_parameter!(LastEventIdHeader: String);

crate::schema!(EventId, "event_id", MetaSchema::new("string"));
