//! Read after write: waits until a change is applied.

use std::time::Duration;

use shared::base::shutdown::sleep_unless;
use shared::http::problem::Problem;
use shared::http::request::RequestScope;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

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
    /// Lets a request wait, if its client asks for that. This comes before the change is published:
    /// a request that is refused has changed nothing.
    pub(super) fn admit(
        &self,
        scope: &RequestScope,
        wanted: Option<WaitFor>,
    ) -> Result<Option<OwnedSemaphorePermit>, Problem> {
        let begin = |WaitFor::Applied| self.waits.begin(&scope.slot, MAX_WAIT);
        wanted.map(begin).transpose()
    }

    /// Waits until the message of this receipt is applied, if the request was let wait. The broker
    /// has the message, so a database that fails meanwhile only means that it is not applied yet.
    pub(super) async fn wait(
        &self,
        permit: Option<OwnedSemaphorePermit>,
        receipt: Receipt,
        id: TodoId,
    ) -> Look {
        let Some(_permit) = permit else {
            return Look::NotYet;
        };
        let looks = async {
            let mut pause = FIRST_PAUSE;
            while sleep_unless(&self.end, pause).await {
                if let Ok(look @ Look::Applied(_)) = self.store.look(receipt, id).await {
                    return look;
                }
                pause = MAX_PAUSE.min(pause * 2);
            }
            Look::NotYet
        };
        timeout(MAX_WAIT, looks).await.unwrap_or(Look::NotYet)
    }
}
