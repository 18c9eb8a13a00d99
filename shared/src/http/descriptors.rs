//! The limit of file descriptors, because each connection takes one.

use std::num::NonZeroU16;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::http::server::PROBE_CONNECTIONS;

/// File descriptors that a process needs beside those of its clients: for its listener, for its
/// stores, and for calls to other services.
const RESERVE: u64 = 256;

/// Raises the limit of file descriptors to what this process needs, as far as the system allows.
/// The usual limit of 1024 is for old programs that cannot handle more.
///
/// Answers how many connections fit, and warns if that is fewer than `connections`. The server must
/// not accept more than that, or no descriptor would be left for the stores.
pub(crate) fn make_room_for(connections: NonZeroU16) -> NonZeroU16 {
    let beside = RESERVE + PROBE_CONNECTIONS as u64;
    let needed = u64::from(connections.get()) + beside;
    let raised = getrlimit(Resource::RLIMIT_NOFILE).and_then(|(soft, hard)| {
        let limit = needed.min(hard).max(soft);
        if soft < limit {
            setrlimit(Resource::RLIMIT_NOFILE, limit, hard)?;
        }
        Ok(limit)
    });
    match raised {
        Ok(limit) if limit >= needed => connections,
        Ok(limit) => {
            let fitting = u16::try_from(limit.saturating_sub(beside)).unwrap_or(u16::MAX);
            let fitting = NonZeroU16::new(fitting).unwrap_or(NonZeroU16::MIN);
            tracing::warn!(
                limit,
                needed,
                connections = fitting,
                "too few file descriptors for MAX_CONNECTIONS, so fewer connections are taken: raise \
                 the limit or lower the setting"
            );
            fitting
        }
        Err(error) => {
            tracing::warn!(%error, "cannot raise the limit of file descriptors");
            connections
        }
    }
}
