//! What clients receive about a change.

use std::future::Future;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

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
