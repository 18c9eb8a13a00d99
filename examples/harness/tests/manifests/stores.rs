//! The Redis servers of the examples as their manifests start them: the command of the container on
//! this machine, with folders in place of the volumes.

use std::fs;
use std::path::Path;
use std::process::Stdio;

use redis::Client;
use serde_json::Value;
use stack::wait::eventually;
use stack::{ports, project, server};
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::objects::{items, of_kind, text};
use crate::pods::{Pod, pods, words};
use crate::{objects, schema};

/// The server program in the image.
const PROGRAM: &str = "valkey-server";
const PASSWORD: &str = "of-this-test";

/// A server that runs with the words of a container. It is killed when dropped.
struct Store {
    client: Client,
    folder: TempDir,
    _server: Child,
}

impl Store {
    /// Starts the server in the pod of this name.
    async fn start(example: &str, owner: &str) -> Self {
        let deploy = project::root()
            .join("examples")
            .join(example)
            .join("deploy");
        let objects = objects::parse(&schema::render(&deploy.join("kubernetes")));
        let pods = pods(&objects);
        let pod = pods
            .iter()
            .find(|pod| pod.owner["metadata"]["name"] == owner);
        let pod = *pod.unwrap();
        let container = pod.containers().next().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let users = fs::read_to_string(deploy.join("users.acl")).unwrap();
        fill(folder.path(), pod, &objects, &users);

        let server = tokio::task::spawn_blocking(server::shared).await;
        let server = server.unwrap().unwrap().path;
        let port = ports::free().unwrap();
        let mut words = words(container).into_iter().map(|word| match word {
            PROGRAM => server.display().to_string(),
            word => placed(folder.path(), container, word),
        });
        let mut command = Command::new(words.next().unwrap());
        command.args(words).stdout(Stdio::null()).kill_on_drop(true);
        // The last word of a setting counts: no other machine reaches the server of a test.
        command.args(["--bind", "127.0.0.1", "--port", &port.number().to_string()]);
        let server = command.spawn().unwrap();
        let url = format!("redis://operator:{PASSWORD}@127.0.0.1:{}", port.number());
        let client = Client::open(url).unwrap();
        eventually("an answer of the server", async || {
            client.get_multiplexed_async_connection().await.is_ok()
        })
        .await;
        Self {
            client,
            folder,
            _server: server,
        }
    }

    /// The value of a setting.
    async fn setting(&self, name: &str) -> String {
        let connection = self.client.get_multiplexed_async_connection().await;
        let mut ask = redis::cmd("CONFIG");
        ask.arg("GET").arg(name);
        let answer: Vec<String> = ask.query_async(&mut connection.unwrap()).await.unwrap();
        answer[1].clone()
    }
}

/// Makes a folder for each volume of a pod, with the files of its `ConfigMap`. The users of the server
/// are in a secret, with passwords.
fn fill(folder: &Path, pod: Pod<'_>, objects: &[Value], users: &str) {
    for volume in items(&pod.spec["volumes"]) {
        let place = folder.join(text(&volume["name"]));
        fs::create_dir(&place).unwrap();
        let wanted = &volume["configMap"]["name"];
        let mut maps = of_kind(objects, "ConfigMap");
        let files = maps.find(|map| map["metadata"]["name"] == *wanted);
        let files = files.and_then(|map| map["data"].as_object());
        for (name, content) in files.into_iter().flatten() {
            fs::write(place.join(name), text(content)).unwrap();
        }
        if !volume["secret"].is_null() {
            fs::write(place.join("users.acl"), with_passwords(users)).unwrap();
        }
    }
}

/// The users that a server reads. All have the same password.
fn with_passwords(users: &str) -> String {
    let lines = users.lines().filter(|line| line.starts_with("user "));
    let words = lines.flat_map(|line| line.split(' ').chain(["\n"]));
    let words = words.map(|word| match word {
        word if word.starts_with('>') => format!(">{PASSWORD}"),
        word => word.to_owned(),
    });
    words.collect::<Vec<_>>().join(" ").replace("\n ", "\n")
}

/// A word of a container, with the folder of a volume in place of the path where it is mounted.
fn placed(folder: &Path, container: &Value, word: &str) -> String {
    let mut mounts = items(&container["volumeMounts"]).iter();
    let place = mounts.find_map(|mount| {
        let rest = word.strip_prefix(text(&mount["mountPath"]))?;
        Some(format!(
            "{}{rest}",
            folder.join(text(&mount["name"])).display()
        ))
    });
    place.unwrap_or_else(|| word.to_owned())
}

#[tokio::test]
async fn the_store_of_items_has_the_shipped_settings_and_starts_through_the_start_script() {
    let store = Store::start("items", "items-redis").await;
    for (name, value) in [
        ("appendonly", "yes"),
        ("appendfsync", "always"),
        ("maxmemory-policy", "noeviction"),
        ("maxmemory", "1073741824"),
        ("save", ""),
        ("aof-timestamp-enabled", "yes"),
        ("client-output-buffer-limit", "normal 67108864 0 0"),
    ] {
        let found = store.setting(name).await;
        assert!(found.starts_with(value), "{name}: {found}");
    }
    // The script leaves a link beside the data, by which it checks the append-only file.
    let link = store.folder.path().join("data/redis-check-aof");
    assert!(link.is_symlink(), "{}", link.display());
}

#[tokio::test]
async fn the_cache_of_records_writes_no_file_and_removes_old_values() {
    let store = Store::start("records", "records-redis").await;
    for (name, value) in [
        ("appendonly", "no"),
        ("save", ""),
        ("maxmemory-policy", "allkeys-lru"),
        ("maxmemory", "134217728"),
    ] {
        assert_eq!(store.setting(name).await, value, "{name}");
    }
}
