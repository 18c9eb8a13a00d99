//! What clients receive about a change.

use std::future::Future;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use futures_util::future::join_all;

use crate::live::position::Change;
use crate::redis::RedisError;

/// A change and the changed resource, as a live stream sends them.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The change.
    pub change: Change,
    /// The resource as JSON.
    pub data: String,
    /// The bytes of the server-sent event. The first client that sends them writes them for all.
    pub frame: OnceLock<Bytes>,
}

/// A page of changes that a client has missed.
#[derive(Debug)]
pub struct Missed {
    /// The changes that can be shown, in the order of time.
    pub notices: Vec<Notice>,
    /// The number of all changes of the page. It includes changes that cannot be shown.
    pub count: usize,
    /// Whether the client has missed more changes than these.
    pub has_more: bool,
}

/// What a live stream receives.
#[derive(Clone, Debug)]
pub enum Signal {
    /// A resource changed.
    Notice(Arc<Notice>),
    /// Changes may have been missed, so the client has to read the lists again.
    Reset,
}

/// Reads the resource that changed.
pub trait Show: Clone + Send + Sync + 'static {
    /// The resource of a change as JSON; `None` if there is nothing to show.
    fn show(
        &self,
        change: &Change,
    ) -> impl Future<Output = Result<Option<String>, RedisError>> + Send;
}

/// The changes as clients receive them. Changes that cannot be shown are left out.
pub(super) async fn notices(
    show: &impl Show,
    changes: Vec<Change>,
) -> Result<Vec<Notice>, RedisError> {
    let shown = join_all(changes.iter().map(|change| show.show(change))).await;
    let mut notices = Vec::with_capacity(changes.len());
    for (change, data) in changes.into_iter().zip(shown) {
        let data = match data {
            // A damaged record must not hold up the other changes.
            Err(error @ (RedisError::Refused { .. } | RedisError::Malformed { .. })) => {
                tracing::error!(%error, id = change.id, "cannot show what changed");
                continue;
            }
            data => data,
        };
        let notice = |data| Notice {
            change,
            data,
            frame: OnceLock::new(),
        };
        notices.extend(data?.map(notice));
    }
    Ok(notices)
}
