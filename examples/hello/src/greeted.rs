//! The contract: what the greeter emits, and the counter reads.

use std::str::FromStr;

use shared::contract::event::{DecodeError, Event, Field, Fields, Form, attributes};
use shared::contract::time::Timestamp;
use shared::contract::trace::RequestContext;

/// A person was greeted: an event is a fact of the past, in the words of the service that emits it.
pub(crate) struct Greeted {
    /// The same in every copy of the event. By this id the counter recognises a copy.
    pub(crate) id: String,
    pub(crate) time: Timestamp,
    pub(crate) name: Name,
    /// The request behind the event, so that one search finds it in the logs of both services.
    pub(crate) context: RequestContext,
}

/// The name of a person. The type has the limit, so both services hold to it.
pub(crate) struct Name(pub(crate) String);

/// Most characters of a name.
const MAX_NAME: usize = 100;

impl FromStr for Name {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_name = (1..=MAX_NAME).contains(&text.chars().count());
        let name = is_name.then(|| Self(text.to_owned()));
        name.ok_or("a name has 1 to 100 characters")
    }
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
            name: Name("World".to_owned()),
            context: RequestContext::example(),
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
        vec![Field::new("name", "The person.", Form::Text, &self.name.0)]
    }

    /// Reads an entry, and ignores fields that it does not know. An entry that cannot be read
    /// becomes a dead letter, and the entries behind it flow.
    fn decode_data(fields: &Fields<'_>) -> Result<Self, DecodeError> {
        Ok(Self {
            id: fields.parse("ce_id")?,
            time: fields.parse("ce_time")?,
            name: fields.parse("name")?,
            context: fields.context(),
        })
    }
}
