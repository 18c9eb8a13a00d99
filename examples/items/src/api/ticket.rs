//! The operation on tickets.

use std::sync::Arc;

use poem::web::Data;
use poem_openapi::OpenApi;
use shared::http::json::Json;
use shared::http::parameter::{Path, Query};
use shared::http::problem::{NOT_FOUND, Problem};
use shared::http::request::RequestScope;
use shared::http::wait::Timeout;

use super::body::TicketBody;
use super::params::WaitFor;
use super::{Api, Tag};
use crate::domain::TicketId;

/// The operation on tickets.
pub(super) struct TicketApi(pub(super) Api);

#[OpenApi]
impl TicketApi {
    /// Get a ticket.
    ///
    /// A ticket is kept while its write is queued, and for 24 hours after the write has ended,
    /// unless the service is set to another time. With `wait=applied` the answer comes when the
    /// write has ended. If the time is up before, the answer has the ticket as it is then.
    #[oai(
        path = "/tickets/:id",
        method = "get",
        tag = "Tag::Tickets",
        operation_id = "getTicket"
    )]
    async fn get_ticket(
        &self,
        scope: Data<&Arc<RequestScope>>,
        /// The id of the ticket.
        id: Path<TicketId>,
        /// `applied`: answer when the write has ended.
        wait: Query<Option<WaitFor>>,
        /// Longest wait in seconds, 1 to 30. Without it, 30.
        timeout: Query<Option<Timeout>>,
    ) -> Result<Json<TicketBody>, Problem> {
        let Api {
            store, wait: waits, ..
        } = &self.0;
        let ticket = match wait.0 {
            None => store.find_ticket(id.0).await?,
            Some(WaitFor::Applied) => {
                let limit = Timeout::or_longest(timeout.0);
                waits.wait(store, &scope.slot, id.0, limit).await?
            }
        };
        let not_found = || Problem::new(&NOT_FOUND, "there is no such ticket, or it was removed");
        Ok(Json(ticket.ok_or_else(not_found)?.into()))
    }
}
