//! JSON bodies of the API, and their way into and out of the domain.

use poem_openapi::Object;
use poem_openapi::registry::MetaSchema;
use poem_openapi::types::Example;
use serde::Serialize;
use serde_json::json;
use shared::http::json::schema::{self, ObjectSchema};
use shared::http::json::{BodyFields, FromFields};

use crate::domain::{
    Description, DescriptionPatch, MAX_DESCRIPTION_CHARS, MAX_TITLE_CHARS, TITLE_PATTERN, Title,
    Todo, TodoId, TodoPatch,
};

/// A greeting.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Greeting", example)]
pub(super) struct GreetingBody {
    /// The name of this system.
    #[serde(rename = "Hello")]
    #[oai(rename = "Hello")]
    hello: String,
}

/// A todo.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Todo", example)]
pub(super) struct TodoBody {
    /// Its id, a UUID.
    id: String,
    /// What there is to do.
    title: String,
    /// The details; `null` if there are no details.
    description: Option<String>,
    /// Whether it is done.
    completed: bool,
}

/// A todo to create.
pub(super) struct NewTodo {
    /// The id that the client gave.
    pub(super) id: Option<TodoId>,
    pub(super) title: Title,
    pub(super) description: Option<Description>,
    pub(super) completed: bool,
}

/// The name of this system.
const NAME: &str = "PanaCloud Todo 2";
/// The pattern of a description: no control characters except tabs and line breaks.
const DESCRIPTION_PATTERN: &str = r"^[^\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]*$";

impl FromFields for NewTodo {
    fn schema() -> ObjectSchema {
        ObjectSchema::new("NewTodo", "A todo to create.")
            .optional(
                "id",
                "The id of the todo. Without one, it gets a new id.",
                schema::id(),
            )
            .required("title", "What there is to do.", title())
            .optional("description", "The details.", description())
            .optional(
                "completed",
                "Whether it is done; false by default.",
                MetaSchema::new("boolean"),
            )
            .example(json!({ "title": "Water the plants", "description": "only the small ones" }))
    }

    fn from_fields(fields: &mut BodyFields<'_>) -> Option<Self> {
        let id = fields.optional("id", BodyFields::parsed);
        let title = fields.parsed("title");
        let description = fields.optional("description", BodyFields::parsed);
        let completed = fields.optional("completed", BodyFields::boolean);
        Some(Self {
            id: id?,
            title: title?,
            description: description?,
            completed: completed?.unwrap_or_default(),
        })
    }
}

impl NewTodo {
    /// What the client asks for, as a text that differs for every other todo. A title has no line
    /// breaks, so it ends where the description begins.
    pub(super) fn intent(&self) -> String {
        let id = self.id.map(|id| id.to_string()).unwrap_or_default();
        let (title, completed) = (self.title.as_str(), self.completed);
        let description = self.description.as_ref().map(Description::as_str);
        let has_description = description.is_some();
        let description = description.unwrap_or_default();
        format!("POST /todos/ {id} {completed} {has_description} {title}\n{description}")
    }
}

impl FromFields for TodoPatch {
    fn schema() -> ObjectSchema {
        let removable = MetaSchema {
            nullable: true,
            ..description()
        };
        ObjectSchema::new(
            "TodoPatch",
            "The changes of a todo. Other fields stay as they are.",
        )
        .patched("title", "Another title.", title())
        .patched(
            "description",
            "Another description. `null` removes it.",
            removable,
        )
        .patched(
            "completed",
            "Whether it is done.",
            MetaSchema::new("boolean"),
        )
        .example(json!({ "completed": true }))
    }

    fn from_fields(fields: &mut BodyFields<'_>) -> Option<Self> {
        fields.refuse("id", "is read-only");
        let title = fields.patch("title", BodyFields::parsed);
        let description = if fields.removed("description") {
            Some(DescriptionPatch::Remove)
        } else {
            let set = fields.patch("description", BodyFields::parsed);
            set.map(|set| set.map_or(DescriptionPatch::Keep, DescriptionPatch::Set))
        };
        let completed = fields.patch("completed", BodyFields::boolean);
        Some(Self {
            title: title?,
            description: description?,
            completed: completed?,
        })
    }
}

fn title() -> MetaSchema {
    schema::text(MAX_TITLE_CHARS, TITLE_PATTERN)
}

fn description() -> MetaSchema {
    MetaSchema {
        max_length: Some(MAX_DESCRIPTION_CHARS),
        pattern: Some(DESCRIPTION_PATTERN.to_owned()),
        ..MetaSchema::new("string")
    }
}

impl From<Todo> for TodoBody {
    fn from(todo: Todo) -> Self {
        Self {
            id: todo.id.to_string(),
            title: todo.title.as_str().to_owned(),
            description: todo.description.map(|text| text.as_str().to_owned()),
            completed: todo.completed,
        }
    }
}

impl Example for TodoBody {
    fn example() -> Self {
        Self {
            id: TodoId::EXAMPLE.to_string(),
            title: "Water the plants".to_owned(),
            description: Some("only the small ones".to_owned()),
            completed: false,
        }
    }
}

impl Example for GreetingBody {
    fn example() -> Self {
        let hello = NAME.to_owned();
        Self { hello }
    }
}
