//! Stores that lose what they wrote last, or come out of a backup.

use std::fs;

use proof::aof;
use proof::aof::Cut;
use stack::redis::RedisServer;
use tempfile::TempDir;

/// How long the append-only file is now. None is as large as to be written anew while a test runs.
pub(crate) fn length(redis: &RedisServer) -> u64 {
    fs::metadata(aof::newest_part(redis).unwrap())
        .unwrap()
        .len()
}

/// Kills a store and starts it again as if nothing that was written behind `length` had reached
/// the disk but a piece of the first command.
pub(crate) async fn lose_tail(redis: &RedisServer, length: u64) {
    redis.kill();
    let lost = aof::cut_tail(redis, Cut::At(length + 1)).unwrap();
    assert!(lost.bytes > 0, "nothing was written since");
    redis.restart().await.unwrap();
}

/// A copy of what a store has on disk.
pub(crate) fn back_up(redis: &RedisServer) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    aof::back_up(redis, copy.path()).unwrap();
    copy
}

/// Kills a store and starts it again with what it had when it was copied.
pub(crate) async fn put_back(redis: &RedisServer, copy: &TempDir) {
    redis.kill();
    aof::restore(redis, copy.path()).unwrap();
    redis.restart().await.unwrap();
}
