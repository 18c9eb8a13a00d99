//! Helpers of several tests.

use std::path::Path;
use std::time::Duration;

use stack::binaries;
use stack::guard::{Farewell, Guard};
use stack::operator::Operator;
use stack::redis::{Overrides, Owner, RedisOptions, RedisServer};
use stack::server;

/// Generous, because a compiler may run beside the tests.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

pub(crate) async fn guard() -> Guard {
    // The first call may build the program, which takes minutes.
    let binaries = tokio::task::spawn_blocking(binaries::shared);
    Guard {
        stack: binaries.await.unwrap().unwrap().stack,
        farewell: Farewell::Kill,
    }
}

/// A store of inventory in this folder, and a client with all rights.
pub(crate) async fn start(dir: &Path, overrides: Overrides) -> (RedisServer, Operator) {
    let server = tokio::task::spawn_blocking(server::shared)
        .await
        .unwrap()
        .unwrap();
    let redis = RedisServer::start(RedisOptions {
        store: Owner::Inventory,
        dir: dir.join("store"),
        server,
        guard: guard().await,
        sink: None,
        overrides,
    });
    let redis = redis.await.unwrap();
    let operator = Operator::of(&redis).unwrap();
    (redis, operator)
}

pub(crate) async fn counter(operator: &Operator) -> Option<u64> {
    operator.insist(&["GET", "counter"], LIMIT).await.unwrap()
}

pub(crate) async fn count(operator: &Operator) -> u64 {
    operator.insist(&["INCR", "counter"], LIMIT).await.unwrap()
}
