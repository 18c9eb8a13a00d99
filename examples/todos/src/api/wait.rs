//! Read after write: waits until a change is applied.

use std::time::Duration;

use shared::base::shutdown::sleep_unless;
use shared::http::request::RequestScope;
use tokio::time::Instant;

use super::Api;
use super::params::WaitFor;
use crate::domain::TodoId;
use crate::kafka::Receipt;
use crate::store::Look;

/// Longest wait until a change is applied.
const MAX_WAIT: Duration = Duration::from_secs(5);
/// First pause between two looks.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// Longest pause between two looks.
const MAX_PAUSE: Duration = Duration::from_millis(80);

impl Api {
    /// Waits until the message of this receipt is applied, if the client asks for that. The broker
    /// has the message, so a database that fails meanwhile only means that it is not applied yet.
    pub(super) async fn wait(
        &self,
        scope: &RequestScope,
        wanted: Option<WaitFor>,
        receipt: Receipt,
        id: TodoId,
    ) -> Look {
        let Some(WaitFor::Applied) = wanted else {
            return Look::NotYet;
        };
        scope.slot.wait_up_to(MAX_WAIT);
        let (deadline, mut pause) = (Instant::now() + MAX_WAIT, FIRST_PAUSE);
        while Instant::now() < deadline && sleep_unless(&self.end, pause).await {
            if let Ok(look @ Look::Applied(_)) = self.store.look(receipt, id).await {
                return look;
            }
            pause = MAX_PAUSE.min(pause * 2);
        }
        Look::NotYet
    }
}
