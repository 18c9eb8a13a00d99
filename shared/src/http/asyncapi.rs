//! The AsyncAPI document of a service: the events that it emits and the events that it acts on. The
//! document is made from the types that write and read these events.

use anyhow::Context;
use serde_json::{Map, Value, json};

use crate::contract::event::{Event, Field};
use crate::stream::delivery::MAX_ATTEMPTS;

/// Content type of an entry: a flat list of text fields.
const ENTRY: &str = "application/x-redis-stream-entry";

/// What a reader in any language has to know about all entries.
const ABOUT: &str = "Events are entries of Redis Streams: CloudEvents 1.0 with flat text fields. \
    Attributes carry the prefix `ce_`, the data stands beside them. Fields are only ever added, \
    unknown ones are to be ignored. Delivery is at least once: recognise an event by `ce_id`.";

/// The document of the service that emits `Sent` and acts on `Received`, as YAML.
pub fn document<Sent: Event, Received: Event>(
    title: &str,
    version: &str,
) -> anyhow::Result<String> {
    let document = json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": title,
            "version": version,
            "description": ABOUT,
            "license": {"name": "MIT OR Apache-2.0"},
        },
        "defaultContentType": ENTRY,
        "servers": object([server::<Sent>(), server::<Received>()]),
        "channels": object([channel::<Sent>(), channel::<Received>()]),
        "operations": object([
            operation::<Sent>("send", "Emitted in one step with the change it reports."),
            operation::<Received>("receive", "Acknowledged only after its effect is stored."),
        ]),
        "components": {"messages": object([message::<Sent>(), message::<Received>()])},
    });
    serde_saphyr::to_string(&document).context("the AsyncAPI document cannot be written")
}

/// The store of the service that emits the event. The stream is in the store whose changes it
/// reports.
fn server<E: Event>() -> (String, Value) {
    let owner = store::<E>();
    let server = json!({
        "host": format!("{owner}-store:6379"),
        "protocol": "redis",
        "protocolVersion": "7.0",
        "description": format!("The Redis store of {owner}. Readers may acknowledge, nothing more."),
    });
    (owner.to_owned(), server)
}

fn channel<E: Event>() -> (String, Value) {
    let channel = json!({
        "address": E::STREAM,
        "title": E::STREAM,
        "description": E::MEANING,
        "servers": [reference(&["servers", store::<E>()])],
        "messages": {E::NAME: reference(&["components", "messages", E::NAME])},
        "x-redis-stream": {
            "key": E::STREAM,
            "partitionedKey": format!("{}:{{n}}", E::STREAM),
            "group": E::GROUP,
            "delivery": "at-least-once",
            "maxDeliveries": MAX_ATTEMPTS,
            "deadLetters": crate::stream::dead_letter::DEAD_LETTERS,
            "trimming": "MINID, once older than STREAM_RETENTION and acknowledged by every group, or older than FOREIGN_GROUP_LIMIT and acknowledged by the group above",
        },
    });
    (E::STREAM.to_owned(), channel)
}

fn operation<E: Event>(action: &str, description: &str) -> (String, Value) {
    let operation = json!({
        "action": action,
        "channel": reference(&["channels", E::STREAM]),
        "summary": E::MEANING,
        "description": description,
        "messages": [reference(&["channels", E::STREAM, "messages", E::NAME])],
    });
    (format!("{action}{}", E::NAME), operation)
}

fn message<E: Event>() -> (String, Value) {
    let example = E::example();
    let (attributes, data) = (example.attributes(), example.data());
    let message = json!({
        "name": E::TYPE,
        "title": E::NAME,
        "summary": E::MEANING,
        "contentType": ENTRY,
        "headers": schema(&attributes),
        "payload": schema(&data),
        "examples": [{
            "name": E::NAME,
            "headers": values(attributes),
            "payload": values(data),
        }],
    });
    (E::NAME.to_owned(), message)
}

fn schema(fields: &[Field]) -> Value {
    let properties = fields
        .iter()
        .map(|field| (field.name.to_owned(), field.schema()));
    let names: Vec<&str> = fields.iter().map(|field| field.name).collect();
    json!({"type": "object", "required": names, "properties": object(properties)})
}

fn values(fields: Vec<Field>) -> Value {
    object(
        fields
            .into_iter()
            .map(|field| (field.name.to_owned(), field.value.into())),
    )
}

/// Name of the service that emits the event: its `ce_source` without the slash.
fn store<E: Event>() -> &'static str {
    E::SOURCE.trim_start_matches('/')
}

fn reference(path: &[&str]) -> Value {
    json!({"$ref": format!("#/{}", path.join("/"))})
}

fn object(entries: impl IntoIterator<Item = (String, Value)>) -> Value {
    Value::Object(Map::from_iter(entries))
}
