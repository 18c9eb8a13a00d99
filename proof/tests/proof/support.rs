//! What several tests need.

use std::time::Duration;

use stack::binaries;
use stack::guard::{Farewell, Guard};

/// Generous, because tests share the machine with a compiler.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

pub(crate) async fn guard() -> Guard {
    // The first call may build the program, which takes minutes.
    let binaries = tokio::task::spawn_blocking(binaries::shared);
    Guard {
        stack: binaries.await.unwrap().unwrap().stack,
        farewell: Farewell::Kill,
    }
}
