//! Todos: what they are, how they change, and which message of a log comes next. No I/O.

use std::fmt;
use std::str::FromStr;

use shared::base::digest::digest_of;
use uuid::{Builder, Uuid};

mod position;
mod text;

pub use position::{Place, Position};
pub use text::{
    Description, InvalidText, MAX_DESCRIPTION_CHARS, MAX_TITLE_CHARS, TITLE_PATTERN, Title,
};

/// Names one todo: a UUID with hyphens. A client may choose it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TodoId(Uuid);

/// Names one change, for ever. A client that repeats a request with its idempotency key means the
/// same change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChangeId(Uuid);

/// The text is not a UUID in its usual hyphenated form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a UUID such as 01a1f866-0d7b-7000-8000-2f0d6a1b9c3e")]
pub struct InvalidId;

/// A todo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Todo {
    /// Its id.
    pub id: TodoId,
    /// What there is to do.
    pub title: Title,
    /// The details.
    pub description: Option<Description>,
    /// Whether it is done.
    pub completed: bool,
}

/// Some fields of a todo, to be changed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TodoPatch {
    /// Another title.
    pub title: Option<Title>,
    /// What happens to the description.
    pub description: DescriptionPatch,
    /// Whether it is done.
    pub completed: Option<bool>,
}

/// What a patch does to the description.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum DescriptionPatch {
    /// It stays.
    #[default]
    Keep,
    /// The todo has none afterwards.
    Remove,
    /// The todo has this one afterwards.
    Set(Description),
}

/// A change of one todo, as a message carries it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its own id.
    pub change_id: ChangeId,
    /// The todo.
    pub id: TodoId,
    /// What changes.
    pub action: Action,
}

/// What changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The todo is created, unless its id is taken.
    Create(Todo),
    /// Some of its fields change.
    Update(TodoPatch),
    /// It is deleted.
    Delete,
}

/// What a change did to the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// The todo was created.
    Created,
    /// Nothing: another change had created a todo with this id.
    IdTaken,
    /// Fields of the todo were changed.
    Updated,
    /// The todo was deleted.
    Deleted,
    /// Nothing: there was no such todo any more.
    Missing,
}

/// Length of a hyphenated UUID. With other notations, one id would have several spellings.
const HYPHENATED_LENGTH: usize = 36;

impl TodoId {
    /// An example for the documents.
    pub const EXAMPLE: Self = Self(uuid::uuid!("01a1f866-0d7b-7000-8000-2f0d6a1b9c3e"));

    /// A new UUIDv7. Ids sort by the time of their minting.
    pub fn mint() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id of the todo that a request with this idempotency key creates, a `UUIDv8`.
    pub fn of_key(key: &str) -> Self {
        Self(uuid_of(["todo", key, ""]))
    }
}

impl ChangeId {
    /// A new UUIDv7.
    pub fn mint() -> Self {
        Self(Uuid::now_v7())
    }

    /// The id of the change that this request with this idempotency key makes, a `UUIDv8`.
    pub fn of_request(key: &str, fingerprint: &str) -> Self {
        Self(uuid_of(["change", key, fingerprint]))
    }
}

impl Change {
    /// A new change of a todo.
    pub fn of(id: TodoId, action: Action) -> Self {
        let change_id = ChangeId::mint();
        Self {
            change_id,
            id,
            action,
        }
    }
}

impl TodoPatch {
    /// The todo after this change.
    pub fn apply(self, todo: Todo) -> Todo {
        Todo {
            id: todo.id,
            title: self.title.unwrap_or(todo.title),
            description: match self.description {
                DescriptionPatch::Keep => todo.description,
                DescriptionPatch::Remove => None,
                DescriptionPatch::Set(description) => Some(description),
            },
            completed: self.completed.unwrap_or(todo.completed),
        }
    }
}

/// A `UUIDv8` of a digest of texts, of which each but the last has a fixed length.
fn uuid_of(texts: [&str; 3]) -> Uuid {
    let digest = digest_of(texts.map(str::as_bytes));
    // A digest is 32 hex digits, and so a number of 128 bits.
    let bits = u128::from_str_radix(&digest, 16).unwrap_or_default();
    Builder::from_custom_bytes(bits.to_be_bytes()).into_uuid()
}

macro_rules! uuid_text {
    ($($id:ident),*) => {$(
        impl FromStr for $id {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if text.len() != HYPHENATED_LENGTH {
                    return Err(InvalidId);
                }
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidId)
            }
        }

        impl fmt::Display for $id {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    )*};
}

uuid_text!(TodoId, ChangeId);
