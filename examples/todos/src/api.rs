//! The HTTP API of todos.

use poem_openapi::{OpenApiService, Tags};
use shared::base::shutdown::Shutdown;
use shared::http::openapi;
use shared::http::problem::Problem;
use shared::http::public_url::PublicUrl;
use shared::http::routes::{NO_STORE, Routes};
use shared::http::slashed::Slashed;
use shared::http::wait::Waits;

mod answer;
mod body;
mod params;
mod problems;
mod todo;
mod todos;
mod wait;

use crate::api::problems::unanswered;
use crate::api::todo::TodoApi;
use crate::api::todos::{GreetApi, TodosApi};
use crate::domain::TodoId;
use crate::kafka::Publisher;
use crate::store::{Stored, TodoStore};

/// What the operations need.
#[derive(Clone)]
pub(crate) struct Api {
    /// Where todos are read.
    pub(crate) store: TodoStore,
    /// Where changes go.
    pub(crate) publisher: Publisher,
    /// Bounds how many clients wait at once.
    pub(crate) waits: Waits,
    /// Ends the waits of clients.
    pub(crate) end: Shutdown,
}

type Apis = (GreetApi, Slashed<TodosApi>, TodoApi);

#[derive(Tags)]
enum Tag {
    /// What there is to do.
    Todos,
}

impl Api {
    async fn find(&self, id: TodoId) -> Result<Option<Stored>, Problem> {
        self.store.find(id).await.map_err(unanswered)
    }
}

/// The routes of the API and its documents.
pub(crate) fn routes(api: Api, public_url: Option<&PublicUrl>) -> Routes {
    let routes = Routes::default()
        .api(apis(api.clone()), &NO_STORE)
        .problems(problems::KINDS);
    openapi::pages(routes, service(api, public_url), public_url)
}

/// The OpenAPI document.
pub(crate) fn document(api: Api, public_url: Option<&PublicUrl>) -> String {
    openapi::document(&service(api, public_url))
}

fn apis(api: Api) -> Apis {
    (GreetApi, Slashed(TodosApi(api.clone())), TodoApi(api))
}

fn service(api: Api, public_url: Option<&PublicUrl>) -> OpenApiService<Apis, ()> {
    let about = "Todos. A change is published to Kafka, and answered when the broker has it. A \
        consumer applies it a moment later. So a todo that was just created may not be there yet: \
        `?wait=applied` waits until it is.";
    let service = OpenApiService::new(apis(api), "Todos", env!("CARGO_PKG_VERSION"))
        .description(format!("{about}\n\n{}", openapi::FOR_ALL));
    openapi::at(service, public_url)
}
