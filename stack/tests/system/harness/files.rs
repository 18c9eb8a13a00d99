//! The files of a store, as a crash of the machine or a backup leaves them.

use std::{fs, path::PathBuf};

use stack::redis::RedisServer;
use tempfile::TempDir;

/// Where a server keeps the parts of its append-only file.
const FOLDER: &str = "appendonlydir";

/// How long the append-only file is now.
pub(crate) fn length(redis: &RedisServer) -> u64 {
    fs::metadata(written_part(redis)).unwrap().len()
}

/// Kills a store and starts it again as if nothing that was written behind `length` had reached
/// the disk but a piece of the first command.
pub(crate) async fn lose_tail(redis: &RedisServer, length: u64) {
    redis.kill();
    let part = fs::OpenOptions::new().write(true).open(written_part(redis)).unwrap();
    assert!(part.metadata().unwrap().len() > length + 1, "nothing was written since");
    part.set_len(length + 1).unwrap();
    redis.restart().await.unwrap();
}

/// A copy of what a store has on disk.
pub(crate) fn back_up(redis: &RedisServer) -> TempDir {
    let copy = tempfile::tempdir().unwrap();
    for entry in fs::read_dir(redis.dir().join(FOLDER)).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), copy.path().join(entry.file_name())).unwrap();
    }
    copy
}

/// Kills a store and starts it again with what it had when it was copied.
pub(crate) async fn put_back(redis: &RedisServer, copy: &TempDir) {
    redis.kill();
    let folder = redis.dir().join(FOLDER);
    fs::remove_dir_all(&folder).unwrap();
    fs::create_dir(&folder).unwrap();
    for entry in fs::read_dir(copy).unwrap() {
        let entry = entry.unwrap();
        fs::copy(entry.path(), folder.join(entry.file_name())).unwrap();
    }
    redis.restart().await.unwrap();
}

/// The part that is appended to. None is as large as to be written anew while a test runs.
fn written_part(redis: &RedisServer) -> PathBuf {
    let parts = fs::read_dir(redis.dir().join(FOLDER)).unwrap();
    let mut parts = parts.map(|entry| entry.unwrap().path());
    parts.find(|path| path.to_str().unwrap().ends_with(".incr.aof")).unwrap()
}
