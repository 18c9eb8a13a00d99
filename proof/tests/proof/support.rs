//! Helpers of several tests.

use std::path::Path;
use std::time::Duration;

use stack::operator::Operator;
use stack::redis::{Overrides, Owner, RedisOptions, RedisServer};

/// Generous, because a compiler may run beside the tests.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// A store of inventory in this folder, and a client that may do everything.
pub(crate) async fn start(dir: &Path, overrides: Overrides) -> (RedisServer, Operator) {
    let options = RedisOptions::private(Owner::Inventory, dir.join("store"));
    let options = RedisOptions {
        overrides,
        ..options.await.unwrap()
    };
    let redis = RedisServer::start(options).await.unwrap();
    let operator = Operator::of(&redis).unwrap();
    (redis, operator)
}

pub(crate) async fn counter(operator: &Operator) -> Option<u64> {
    operator.insist(&["GET", "counter"], LIMIT).await.unwrap()
}

pub(crate) async fn count(operator: &Operator) -> u64 {
    operator.insist(&["INCR", "counter"], LIMIT).await.unwrap()
}
