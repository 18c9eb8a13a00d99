//! The contract: what the greeter emits, and the counter reads.

use shared::contract::event::{DecodeError, Event, Field, Fields, Form, attributes};
use shared::contract::time::Timestamp;
use shared::contract::trace::{RequestContext, RequestId, TraceParent};

/// A person was greeted: an event is a fact of the past, in the words of the service that emits it.
pub(crate) struct Greeted {
    /// The same in every copy of the event. By this id the counter recognises a copy.
    pub(crate) id: String,
    pub(crate) time: Timestamp,
    pub(crate) name: String,
    /// The request behind the event, so that one search finds it in the logs of both services.
    pub(crate) context: RequestContext,
}

impl Event for Greeted {
    /// The key of the stream, in the store of the greeter.
    const STREAM: &'static str = "greeted";
    /// The consumer group. All processes of the counter are members of it.
    const GROUP: &'static str = "counter-group";
    /// A new field is no new type. A change of meaning is: `greeted.v2`.
    const TYPE: &'static str = "greeted.v1";
    const SOURCE: &'static str = "/greeter";
    const NAME: &'static str = "Greeted";
    const MEANING: &'static str = "A person was greeted.";

    /// An example for documents.
    fn example() -> Self {
        Self {
            id: "greeting-1".to_owned(),
            time: Timestamp::EXAMPLE,
            name: "World".to_owned(),
            context: RequestContext {
                request_id: RequestId::example(),
                traceparent: TraceParent::example(),
            },
        }
    }

    /// The attributes of CloudEvents, which every event has.
    fn attributes(&self) -> Vec<Field> {
        let context = &self.context;
        let (trace, request) = (&context.traceparent, &context.request_id);
        attributes::<Self>(&self.id, self.time, trace, request)
    }

    /// The fields that this event has beside them. Every value is text.
    fn data(&self) -> Vec<Field> {
        vec![Field::new("name", "The person.", Form::Text, &self.name)]
    }

    /// Reads an entry, and ignores fields that it does not know. An entry that cannot be read
    /// becomes a dead letter, and the entries behind it flow.
    fn decode_data(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            id: fields.parse("ce_id")?,
            time: fields.parse("ce_time")?,
            name: fields.parse("name")?,
            context: RequestContext {
                request_id: fields.request_id(),
                traceparent: fields.traceparent(),
            },
        })
    }
}
