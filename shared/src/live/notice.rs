//! What is told about a change.

use std::future::Future;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use crate::live::position::Change;
use crate::redis::RedisError;

/// A change, and the resource it was about: what a live stream sends.
#[derive(Clone, Debug)]
pub struct Notice {
    /// The change.
    pub change: Change,
    /// The resource as JSON.
    pub data: String,
    /// Both as they are sent, once somebody has written them.
    pub frame: OnceLock<Bytes>,
}

/// What a live stream receives.
#[derive(Clone, Debug)]
pub enum Signal {
    /// Something changed.
    Notice(Arc<Notice>),
    /// Changes may have been missed.
    Reset,
}

/// Shows what changed.
pub trait Show: Clone + Send + Sync + 'static {
    /// The resource of a change as JSON; `None` where there is nothing to show.
    fn show(
        &self,
        change: &Change,
    ) -> impl Future<Output = Result<Option<String>, RedisError>> + Send;
}
