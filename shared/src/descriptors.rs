//! File descriptors: each connection takes one.

use std::num::NonZeroU16;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// What a process needs beside its connections: its listener, its stores, calls to other services.
const RESERVE: u64 = 256;

/// Raises the limit of this process as far as it needs and may, and warns where that is not enough.
/// The usual limit of 1024 dates from a time of programs that could not handle more.
pub(crate) fn make_room_for(connections: NonZeroU16) {
    let needed = u64::from(connections.get()) + RESERVE;
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        let limit = needed.min(hard).max(soft);
        if soft < limit {
            setrlimit(Resource::RLIMIT_NOFILE, limit, hard)?;
        }
        Ok(limit)
    });
    match raised {
        Ok(limit) if limit >= needed => {}
        Ok(limit) => tracing::warn!(
            limit,
            needed,
            "too few file descriptors for MAX_CONNECTIONS: raise the limit or lower the setting"
        ),
        Err(error) => tracing::warn!(%error, "cannot raise the limit of file descriptors"),
    }
}
