//! File descriptors: each connection takes one.

use std::num::NonZeroU16;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use crate::http::server::PROBE_CONNECTIONS;

/// What a process needs beside its connections: its listener, its stores, calls to other services.
const RESERVE: u64 = 256;

/// Raises the limit of this process as far as it needs and may. The usual limit of 1024 dates from a
/// time of programs that could not handle more. Answers how many connections fit: where that are fewer,
/// it warns, and the others must not be accepted, or the stores would be out of reach.
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
