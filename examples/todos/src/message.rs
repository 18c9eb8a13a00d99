//! The messages of the topic, as `proto/todo.proto` defines them, and their way into and out of the
//! domain.

use prost::Message;
use shared::base::digest::digest_of;

use crate::domain::{Action, Change, DescriptionPatch, Todo, TodoId, TodoPatch};

/// The types that `proto/todo.proto` defines.
pub mod proto {
    include!(concat!(env!("OUT_DIR"), "/todos.v1.rs"));
}

use proto::todo_change::Change as Wire;

/// Why a message can never be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{reason}: {detail}")]
pub struct Poison {
    /// The reason in one word, for programs.
    pub reason: &'static str,
    /// What is wrong, for people.
    pub detail: String,
}

/// The version of the meaning of a message.
pub const VERSION: u32 = 1;
/// Most bytes of a message. The longest change has fewer than 2 KiB.
pub const MAX_BYTES: usize = 16 * 1024;

/// The message of a change.
pub fn encode(change: &Change) -> Vec<u8> {
    let action = match &change.action {
        Action::Create(todo) => Wire::Create(proto::Create {
            title: todo.title.as_str().to_owned(),
            description: todo
                .description
                .as_ref()
                .map(|text| text.as_str().to_owned()),
            completed: todo.completed,
        }),
        Action::Update(patch) => Wire::Update(proto::Update {
            title: patch.title.as_ref().map(|title| title.as_str().to_owned()),
            description: match &patch.description {
                DescriptionPatch::Keep => None,
                DescriptionPatch::Remove => Some(proto::Description { text: None }),
                DescriptionPatch::Set(text) => Some(proto::Description {
                    text: Some(text.as_str().to_owned()),
                }),
            },
            completed: patch.completed,
        }),
        Action::Delete => Wire::Delete(proto::Delete {}),
    };
    let message = proto::TodoChange {
        version: VERSION,
        id: change.id.to_string(),
        change_id: change.change_id.to_string(),
        change: Some(action),
    };
    message.encode_to_vec()
}

/// The change that a message carries.
pub fn decode(key: Option<&[u8]>, payload: Option<&[u8]>) -> Result<Change, Poison> {
    let payload = payload.unwrap_or_default();
    if payload.len() > MAX_BYTES {
        let detail = format!(
            "the message has {} bytes, more than {MAX_BYTES}",
            payload.len()
        );
        return Err(poison("too_large", detail));
    }
    let message = proto::TodoChange::decode(payload)
        .map_err(|error| poison("undecodable", format!("no TodoChange: {error}")))?;
    if message.version != VERSION {
        let detail = format!("the version is {}, not {VERSION}", message.version);
        return Err(poison("unknown_version", detail));
    }
    let id: TodoId = field("id", &message.id)?;
    if key != Some(id.to_string().as_bytes()) {
        // Messages of one todo would lie in several partitions, in no order.
        let detail = format!("the key of the message is not {id}, the id of its todo");
        return Err(poison("wrong_key", detail));
    }
    let Some(change) = message.change else {
        let detail = "the message has none of the changes that this build knows";
        return Err(poison("unknown_change", detail.to_owned()));
    };
    Ok(Change {
        change_id: field("change_id", &message.change_id)?,
        id,
        action: action(id, change)?,
    })
}

/// A digest that differs between any two changes, because each has an id of its own.
pub fn fingerprint(key: Option<&[u8]>, payload: Option<&[u8]>) -> String {
    digest_of([key.unwrap_or_default(), payload.unwrap_or_default()])
}

fn action(id: TodoId, change: Wire) -> Result<Action, Poison> {
    Ok(match change {
        Wire::Create(create) => Action::Create(Todo {
            id,
            title: field("title", &create.title)?,
            description: optional("description", create.description.as_ref())?,
            completed: create.completed,
        }),
        Wire::Update(update) => Action::Update(TodoPatch {
            title: optional("title", update.title.as_ref())?,
            description: match update.description {
                None => DescriptionPatch::Keep,
                Some(proto::Description { text }) => optional("description", text.as_ref())?
                    .map_or(DescriptionPatch::Remove, DescriptionPatch::Set),
            },
            completed: update.completed,
        }),
        Wire::Delete(proto::Delete {}) => Action::Delete,
    })
}

fn optional<T>(name: &str, text: Option<&String>) -> Result<Option<T>, Poison>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    text.map(|text| field(name, text)).transpose()
}

fn field<T>(name: &str, text: &str) -> Result<T, Poison>
where
    T: std::str::FromStr<Err: std::fmt::Display>,
{
    let invalid = |error: T::Err| poison("invalid_field", format!("{name} {error}"));
    text.parse().map_err(invalid)
}

fn poison(reason: &'static str, detail: String) -> Poison {
    Poison { reason, detail }
}

#[cfg(test)]
mod tests {
    use proptest::option;
    use proptest::prelude::*;

    use super::*;

    fn changes() -> impl Strategy<Value = Change> {
        let title = "[a-zß🫖][a-zß🫖 ]{0,99}".prop_map(|text| text.parse().unwrap());
        let description = "[a-zß🫖\n]{0,255}".prop_map(|text| text.parse().unwrap());
        let fields = (
            option::of(title),
            option::of(option::of(description)),
            option::of(any::<bool>()),
        );
        (fields, 0..3_u8).prop_map(|((title, description, completed), kind)| {
            let id = TodoId::mint();
            let action = match (kind, title) {
                (0, Some(title)) => Action::Create(Todo {
                    id,
                    title,
                    description: description.flatten(),
                    completed: completed.unwrap_or_default(),
                }),
                (1, title) => Action::Update(TodoPatch {
                    title,
                    description: match description {
                        None => DescriptionPatch::Keep,
                        Some(None) => DescriptionPatch::Remove,
                        Some(Some(text)) => DescriptionPatch::Set(text),
                    },
                    completed,
                }),
                _ => Action::Delete,
            };
            Change::of(id, action)
        })
    }

    proptest! {
        #[test]
        fn a_change_arrives_as_it_was_sent(change in changes()) {
            let (key, payload) = (change.id.to_string(), encode(&change));
            prop_assert!(payload.len() < 2 * 1024, "{} bytes", payload.len());
            prop_assert_eq!(decode(Some(key.as_bytes()), Some(&payload)), Ok(change));
        }

        #[test]
        fn any_bytes_are_a_change_or_poison(
            change in changes(),
            noise in prop::collection::vec(any::<u8>(), 0..40),
            at in any::<prop::sample::Index>(),
        ) {
            let mut payload = encode(&change);
            let at = at.index(payload.len());
            payload.splice(at..at, noise.clone());
            // It must not panic; what it answers does not matter.
            let _ = decode(Some(change.id.to_string().as_bytes()), Some(&payload));
            let _ = decode(None, Some(&noise));
        }
    }
}
