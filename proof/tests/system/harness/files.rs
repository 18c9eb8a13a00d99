//! Stores that lose their last writes, or are put back from a backup.

use std::fs;

use proof::aof;
use proof::aof::Cut;
use stack::redis::RedisServer;
use tempfile::TempDir;

/// The length of the append-only file in bytes. No file grows so long in a test that Redis rewrites
/// it.
pub(crate) fn length(redis: &RedisServer) -> u64 {
    fs::metadata(aof::newest_part(redis).unwrap())
        .unwrap()
        .len()
}

/// Kills a store and starts it again. Of everything written after `length`, one byte of the first
/// command is left.
pub(crate) async fn lose_tail(redis: &RedisServer, length: u64) {
    redis.kill();
    let lost = aof::cut_tail(redis, Cut::At(length + 1)).unwrap();
    assert!(lost.bytes > 0, "the store wrote nothing after `length`");
    redis.restart().await.unwrap();
}

/// A copy of the files of a store.
pub(crate) fn back_up(redis: &RedisServer) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    aof::back_up(redis, copy.path()).unwrap();
    copy
}

/// Kills a store and starts it again with the files of this copy.
pub(crate) async fn put_back(redis: &RedisServer, copy: &TempDir) {
    redis.kill();
    aof::restore(redis, copy.path()).unwrap();
    redis.restart().await.unwrap();
}
