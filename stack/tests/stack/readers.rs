//! A user of another team, as `docs/events.md` tells to make it, survives a new start of its store.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use shared::redis::{self, Redis};
use stack::project;
use stack::redis::{Owner, RedisOptions, RedisServer};

/// The beginning of the line in the page that makes the user by hand.
const BY_HAND: &str = "operator> ACL SETUSER ";
/// The password in that line.
const PASSWORD: &str = "CHOOSE_A_PASSWORD";
/// The files that the script of Compose reads.
const DEPLOYED: [&str; 7] = [
    "redis.conf",
    "start-store.sh",
    "passwords.sh",
    "compose/secrets.sh",
    "acl/inventory-store.acl",
    "acl/payments-store.acl",
    "acl/partitions.acl",
];

/// The line of a file of readers that makes the user of the page.
fn line() -> String {
    let page = fs::read_to_string(project::root().join("docs/events.md")).unwrap();
    let mut lines = page.lines();
    let user = lines.find_map(|line| line.trim_start().strip_prefix(BY_HAND));
    let hash = Command::new("sh")
        .args(["-c", "printf %s \"$0\" | sha256sum | head -c 64", PASSWORD])
        .output()
        .unwrap();
    let hash = format!("#{}", String::from_utf8(hash.stdout).unwrap());
    let user = user.unwrap().replace(&format!(">{PASSWORD}"), &hash);
    format!("user {user}")
}

async fn assert_reads(server: &RedisServer) {
    let url = format!("redis://revenue:{PASSWORD}@127.0.0.1:{}", server.port());
    let reader = Redis::worker(&url.parse().unwrap());
    let read = redis::Command::new("XRANGE").key("order_completed");
    reader.run(read.args(["-", "+"])).await.unwrap();
    let write = redis::Command::new("XADD").key("order_completed");
    let refused = reader.run(write.args(["*", "a", "b"])).await.unwrap_err();
    assert!(refused.to_string().contains("NOPERM"), "{refused}");
}

#[tokio::test]
async fn a_store_keeps_the_users_of_other_teams_at_each_start() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("readers.acl");
    let options = RedisOptions::private(Owner::Payments, dir.path().join("store"));
    let options = RedisOptions {
        readers: Some(file.clone()),
        ..options.await.unwrap()
    };
    // Without the file, the store has its own users.
    let server = RedisServer::start(options.clone()).await.unwrap();
    server.stop().await.unwrap();
    fs::write(&file, format!("# Revenue of each product.\n{}\n", line())).unwrap();
    for _ in 0..2 {
        let server = RedisServer::start(options.clone()).await.unwrap();
        assert_reads(&server).await;
        server.stop().await.unwrap();
    }
}

/// Runs the script of Compose on folders in place of the volumes. A file of the tree stands in for
/// what only root may do.
fn try_secrets(deploy: &Path, volumes: &Path, partitions: &str) -> Output {
    let fake = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/stack/fake");
    Command::new("sh")
        .args([&deploy.join("compose/secrets.sh"), volumes])
        .env("PATH", format!("{}:/usr/bin:/bin", fake.display()))
        .env("PARTITIONS", partitions)
        .output()
        .unwrap()
}

fn make_secrets(deploy: &Path, volumes: &Path) {
    let run = try_secrets(deploy, volumes, "");
    assert!(run.status.success(), "{run:?}");
}

/// A copy of the deployed files, and the folders of the volumes.
fn compose(folder: &Path) -> (PathBuf, PathBuf) {
    let (deploy, volumes) = (folder.join("deploy"), folder.join("volumes"));
    for name in DEPLOYED {
        let copy = deploy.join(name);
        fs::create_dir_all(copy.parent().unwrap()).unwrap();
        fs::copy(project::root().join("deploy").join(name), copy).unwrap();
    }
    for owner in ["inventory", "payments"] {
        for volume in ["config", "data", "urls"] {
            fs::create_dir_all(volumes.join(format!("{owner}-{volume}"))).unwrap();
        }
    }
    (deploy, volumes)
}

#[test]
fn the_script_of_compose_adds_the_users_of_other_teams_and_keeps_the_passwords() {
    let folder = tempfile::tempdir().unwrap();
    let (deploy, volumes) = compose(folder.path());
    let users = |store: &str| {
        let path = volumes.join(format!("{store}-config/users.acl"));
        fs::read_to_string(path).unwrap()
    };
    make_secrets(&deploy, &volumes);
    let [inventory, payments] = ["inventory", "payments"].map(users);
    let readers = deploy.join("acl/readers");
    fs::create_dir(&readers).unwrap();
    let file = format!("# Revenue of each product.\n\n{}\n", line());
    fs::write(readers.join("payments-store.acl"), file).unwrap();
    for _ in 0..2 {
        make_secrets(&deploy, &volumes);
        assert_eq!(users("payments"), format!("{payments}{}\n", line()));
        assert_eq!(users("inventory"), inventory);
    }
    let url = fs::read_to_string(volumes.join("inventory-urls/payments-redis-url")).unwrap();
    let password = url.strip_prefix("redis://inventory:").unwrap();
    let password = password.strip_suffix("@payments-redis:6379").unwrap();
    assert!(
        payments.contains(&format!("user inventory on >{password} ")),
        "{payments}"
    );
    assert!(
        password.len() == 48 && !payments.contains("_PASSWORD@"),
        "{payments}"
    );
}

#[test]
fn the_script_of_compose_gives_rights_for_partitions_or_fails() {
    let folder = tempfile::tempdir().unwrap();
    let (deploy, volumes) = compose(folder.path());
    let run = try_secrets(&deploy, &volumes, "4");
    assert!(run.status.success(), "{run:?}");
    let users = fs::read_to_string(volumes.join("payments-config/users.acl")).unwrap();
    assert!(users.contains("order_completed:{*}"), "{users}");
    fs::remove_file(deploy.join("acl/partitions.acl")).unwrap();
    let run = try_secrets(&deploy, &volumes, "4");
    assert!(!run.status.success(), "{run:?}");
}
