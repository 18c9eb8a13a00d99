//! The scripts that put items on a Kubernetes cluster, with a `kubectl` that only records its calls.
//! The fake program is a file of the tree: a program that a test has just written cannot be started
//! while another thread starts one as well.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// A cluster that only records what `fake/kubectl` is asked: the folder of the records.
struct Cluster(TempDir);

impl Cluster {
    /// A cluster that already has a secret, or has no secret.
    fn new(has_secret: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let found = if has_secret {
            "secret/items-redis\n"
        } else {
            ""
        };
        fs::write(folder.path().join("found"), found).unwrap();
        Self(folder)
    }

    /// Runs a script of the folder `deploy`. Calls of `kubectl` that contain `fail` fail.
    fn run(&self, script: &str, args: &[&str], fail: Option<&str>) -> Output {
        let fake = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/items/fake");
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", fake.display());
        let mut command = Command::new(deploy().join(script));
        command
            .args(args)
            .env_clear()
            .env("PATH", path)
            .env("RECORD", self.0.path());
        if let Some(fail) = fail {
            command.env("FAIL", fail);
        }
        command.output().unwrap()
    }

    fn calls(&self) -> Vec<String> {
        let calls = fs::read_to_string(self.0.path().join("calls")).unwrap_or_default();
        let folder = deploy().canonicalize().unwrap();
        let folder = folder.to_str().unwrap();
        calls
            .lines()
            .map(|call| call.replace(folder, "DEPLOY"))
            .collect()
    }

    fn input(&self) -> String {
        fs::read_to_string(self.0.path().join("input")).unwrap_or_default()
    }
}

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

#[test]
fn deploying_makes_the_secret_applies_waits_for_each_part_and_forwards_the_port() {
    let cluster = Cluster::new(false);
    let output = cluster.run("deploy.sh", &[], None);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        cluster.calls(),
        [
            "apply -f DEPLOY/kubernetes/namespace.yaml",
            "--namespace items get secret items-redis --ignore-not-found --output name",
            "create -f -",
            "apply -k DEPLOY/kubernetes",
            "--namespace items rollout status deployment/items-redis --timeout 180s",
            "--namespace items rollout status deployment/items-api --timeout 180s",
            "--namespace items rollout status deployment/items-worker --timeout 180s",
            "--namespace items port-forward service/items 8004:8004",
        ]
    );
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.contains("http://127.0.0.1:8004/docs"), "{said}");
}

#[test]
fn the_secret_has_new_passwords_and_the_deployed_users() {
    let decoded = |field: &str| {
        let cluster = Cluster::new(false);
        assert!(cluster.run("deploy.sh", &[], None).status.success());
        assert!(!cluster.calls().iter().any(|call| call.contains("redis://")));
        let input = cluster.input();
        let encoded = input
            .lines()
            .find_map(|line| line.strip_prefix(&format!("  {field}: ")));
        let encoded = encoded.unwrap_or_else(|| panic!("{input}")).to_owned();
        let output = Command::new("sh")
            .args(["-c", "printf %s \"$0\" | base64 -d", &encoded])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    };
    let (users, url) = (decoded("users.acl"), decoded("url"));
    assert_eq!(
        users
            .lines()
            .filter(|line| line.starts_with("user "))
            .count(),
        3
    );
    assert_eq!(
        users.lines().count(),
        3,
        "a server refuses comments: {users}"
    );
    assert!(!users.contains("_PASSWORD@"), "{users}");
    let password = url.strip_prefix("redis://items:").unwrap();
    let password = password.strip_suffix("@items-redis:6379").unwrap();
    assert!(password.len() == 48 && password.bytes().all(|byte| byte.is_ascii_hexdigit()));
    assert_ne!(decoded("url"), url, "each cluster has passwords of its own");
}

#[test]
fn deploying_again_keeps_the_passwords() {
    let cluster = Cluster::new(true);
    assert!(cluster.run("deploy.sh", &[], None).status.success());
    let calls = cluster.calls();
    assert!(calls.contains(&"apply -k DEPLOY/kubernetes".to_owned()));
    assert!(!calls.contains(&"create -f -".to_owned()), "{calls:?}");
    assert_eq!(cluster.input(), "");
}

#[test]
fn a_part_that_is_not_ready_in_time_fails_the_deployment() {
    let cluster = Cluster::new(true);
    let output = cluster.run("deploy.sh", &[], Some("deployment/items-api"));
    assert!(!output.status.success());
    assert!(
        !cluster
            .calls()
            .iter()
            .any(|call| call.contains("port-forward"))
    );
}

#[test]
fn undeploying_removes_everything_that_the_manifests_have() {
    let cluster = Cluster::new(true);
    assert!(cluster.run("undeploy.sh", &[], None).status.success());
    let expected = "delete -k DEPLOY/kubernetes --ignore-not-found --wait --timeout 120s";
    assert_eq!(cluster.calls(), [expected]);
    // The secret and the claim are in the namespace, and go with it.
    let manifests = deploy().join("kubernetes");
    let kustomization = fs::read_to_string(manifests.join("kustomization.yaml")).unwrap();
    assert!(kustomization.contains("namespace: items\n"));
    assert!(kustomization.contains("- namespace.yaml\n"));
}

#[test]
fn scaling_changes_the_named_part_and_waits_for_it() {
    let cluster = Cluster::new(true);
    assert!(cluster.run("scale.sh", &["3"], None).status.success());
    assert!(
        cluster
            .run("scale.sh", &["2", "api"], None)
            .status
            .success()
    );
    assert_eq!(
        cluster.calls(),
        [
            "--namespace items scale deployment/items-worker --replicas 3",
            "--namespace items rollout status deployment/items-worker --timeout 180s",
            "--namespace items scale deployment/items-api --replicas 2",
            "--namespace items rollout status deployment/items-api --timeout 180s",
        ]
    );
}

#[test]
fn scaling_refuses_what_is_no_number_and_a_second_store() {
    let cluster = Cluster::new(true);
    for args in [
        &[][..],
        &["-1"],
        &["many"],
        &["2", "redis"],
        &["2", "nothing"],
    ] {
        let output = cluster.run("scale.sh", args, None);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stderr.starts_with(b"scale.sh: "), "{args:?}");
    }
    assert_eq!(cluster.calls(), [""; 0]);
}

#[test]
fn the_scripts_ship_no_password() {
    for name in [
        "deploy.sh",
        "secrets.sh",
        "users.acl",
        "kubernetes/redis.yaml",
    ] {
        let text = fs::read_to_string(deploy().join(name)).unwrap();
        let stated = text.split_whitespace().filter(|word| word.starts_with('>'));
        for word in stated.filter(|word| word.len() > 2 && name == "users.acl") {
            assert!(
                word.starts_with(">@") && word.ends_with("_PASSWORD@"),
                "{name}: {word}"
            );
        }
        assert!(!text.contains("nopass"), "{name}");
    }
}
