//! Stores that lose their last writes, or are put back from a backup.

use std::fs;
use std::path::Path;
use std::process::Command;

use proof::aof;
use proof::aof::Cut;
use stack::redis::Overrides;
use stack::server;

use crate::support::{LIMIT, count, counter, start};

#[tokio::test]
async fn a_lost_tail_takes_the_last_commands_with_it() {
    let dir = tempfile::tempdir().unwrap();
    let (redis, operator) = start(dir.path(), Overrides::default()).await;
    for _ in 0..3 {
        count(&operator).await;
    }
    assert!(
        aof::cut_tail(&redis, Cut::Bytes(1)).is_err(),
        "the server runs"
    );
    redis.kill();
    // The last command is torn. The next start removes all of it.
    let lost = aof::cut_tail(&redis, Cut::Bytes(1)).unwrap();
    assert_eq!(lost.bytes, 1);
    redis.restart().await.unwrap();
    assert_eq!(counter(&operator).await, Some(2));

    redis.kill();
    let lost = aof::cut_tail(&redis, Cut::Seconds(60)).unwrap();
    assert!(lost.bytes > 0);
    redis.restart().await.unwrap();
    assert_eq!(counter(&operator).await, None);

    redis.kill();
    assert_eq!(aof::cut_tail(&redis, Cut::At(0)).unwrap().kept, 0);
    redis.restart().await.unwrap();
}

#[tokio::test]
async fn half_a_transaction_does_not_come_back_with_the_next_one() {
    const TWICE: &str = "redis.call('INCR', KEYS[1]) return redis.call('INCR', KEYS[1])";
    let dir = tempfile::tempdir().unwrap();
    let (redis, operator) = start(dir.path(), Overrides::default()).await;
    let count_twice = || async {
        operator
            .insist::<u64>(&["EVAL", TWICE, "1", "counter"], LIMIT)
            .await
            .unwrap();
    };
    let exec = "*1\r\n$4\r\nEXEC\r\n".len() as u64;
    // The bytes end inside EXEC, before it, and inside the second command.
    for missing in [1, exec, exec + 3] {
        count_twice().await;
        redis.kill();
        aof::cut_tail(&redis, Cut::Bytes(missing)).unwrap();
        redis.restart().await.unwrap();
        let before = counter(&operator).await.unwrap_or(0);
        count_twice().await;
        redis.kill();
        redis.restart().await.unwrap();
        assert_eq!(
            counter(&operator).await,
            Some(before + 2),
            "{missing} bytes were missing"
        );
    }
}

#[tokio::test]
async fn a_file_is_cut_before_a_transaction_that_is_not_whole_and_nowhere_else() {
    let server = tokio::task::spawn_blocking(server::shared)
        .await
        .unwrap()
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let parts = dir.path().join("appendonlydir");
    fs::create_dir(&parts).unwrap();
    let part = "appendonly.aof.1.incr.aof";
    let manifest = format!("file {part} seq 1 type i\n");
    fs::write(parts.join("appendonly.aof.manifest"), manifest).unwrap();
    let part = parts.join(part);
    let start = |content: &[u8]| {
        fs::write(&part, content).unwrap();
        let mut shell = Command::new("sh");
        shell.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/start-store.sh"));
        let ended = shell
            .arg(&server.path)
            .arg(dir.path())
            .arg("--version")
            .output()
            .unwrap();
        assert!(
            ended.status.success(),
            "{}",
            String::from_utf8_lossy(&ended.stderr)
        );
        fs::read(&part).unwrap()
    };

    let set = "*3\r\n$3\r\nSET\r\n$1\r\na\r\n$6\r\nb\r\nc\r\n\r\n";
    let (multi, exec) = ("*1\r\n$5\r\nMULTI\r\n", "*1\r\n$4\r\nEXEC\r\n");
    let before = format!("#TS:1700000000\r\n{set}{multi}{set}{exec}{set}");
    let transaction = format!("{multi}#TS:1700000001\r\n{set}{set}{exec}");
    let whole = format!("{before}{transaction}");
    for end in before.len()..=whole.len() {
        let begun = (before.len() + multi.len()..whole.len()).contains(&end);
        let kept = if begun { before.len() } else { end };
        assert_eq!(
            start(&whole.as_bytes()[..end]),
            &whole.as_bytes()[..kept],
            "cut at {end}"
        );
    }
    // Other damage than a lost tail is left to the server.
    for at in 0..whole.len() {
        let mut damaged = format!("{whole}{transaction}").into_bytes();
        damaged[at] ^= 1;
        assert_eq!(start(&damaged), damaged, "damaged at {at}");
    }
}

#[tokio::test]
async fn a_backup_puts_the_store_back_to_where_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let (redis, operator) = start(dir.path(), Overrides::default()).await;
    count(&operator).await;
    let backup = dir.path().join("backup");
    aof::back_up(&redis, &backup).unwrap();
    count(&operator).await;
    assert!(aof::restore(&redis, &backup).is_err(), "the server runs");
    redis.kill();
    aof::restore(&redis, &backup).unwrap();
    redis.restart().await.unwrap();
    assert_eq!(counter(&operator).await, Some(1));
}

#[tokio::test]
async fn settings_of_a_test_replace_the_shipped_ones() {
    let dir = tempfile::tempdir().unwrap();
    let settings = vec![("appendfsync".to_owned(), "everysec".to_owned())];
    let (_redis, operator) = start(
        dir.path(),
        Overrides {
            settings,
            ..Overrides::default()
        },
    )
    .await;
    let told: Vec<String> = operator
        .ask(&["CONFIG", "GET", "appendfsync"])
        .await
        .unwrap();
    assert_eq!(told, ["appendfsync", "everysec"]);
    let refused = operator
        .ask::<String>(&["CONFIG", "SET", "no-such-setting", "1"])
        .await;
    assert!(refused.is_err());
}
