//! The scripts that put items on a Kubernetes cluster, with a `kubectl` that only records its calls.
//! The fake program is a file of the tree: a program that a test has just written cannot be started
//! while another thread starts one as well.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use tempfile::TempDir;

/// The data of a secret that an earlier run made, in base64: `redis://items:one@items-redis:6379`
/// and `two`.
const SECRET: &str = "  url: cmVkaXM6Ly9pdGVtczpvbmVAaXRlbXMtcmVkaXM6NjM3OQ==
  operator-password: dHdv
";

/// A cluster that only records what `fake/kubectl` is asked: the folder of the records.
struct Cluster(TempDir);

impl Cluster {
    /// A cluster that already has a secret, or has no secret.
    fn new(has_secret: bool) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if has_secret {
            fs::write(folder.path().join("secret"), SECRET).unwrap();
        }
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

/// A field of the secrets that a cluster was given.
fn decoded(cluster: &Cluster, field: &str) -> String {
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
}

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy")
}

#[test]
fn deploying_makes_the_secret_applies_waits_for_each_part_and_forwards_the_port() {
    let cluster = Cluster::new(false);
    let output = cluster.run("deploy.sh", &[], None);
    assert!(output.status.success(), "{output:?}");
    let calls = cluster.calls();
    let patch = calls.iter().find(|call| call.contains(" patch ")).unwrap();
    let prefix = "--namespace items patch deployment items-redis --type merge --patch \
        {\"spec\":{\"template\":{\"metadata\":{\"annotations\":{\"users\":\"";
    assert!(patch.starts_with(prefix), "{patch}");
    assert_eq!(
        calls,
        [
            "apply -f DEPLOY/kubernetes/namespace.yaml",
            "--namespace items get secret items-redis --ignore-not-found --output name",
            "create -f -",
            "--namespace items get secret items-redis --output jsonpath={.data.url}",
            "--namespace items get secret items-redis --output jsonpath={.data.operator-password}",
            "apply -f -",
            "apply -k DEPLOY/kubernetes",
            patch,
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
    let cluster = Cluster::new(false);
    assert!(cluster.run("deploy.sh", &[], None).status.success());
    assert!(!cluster.calls().iter().any(|call| call.contains("redis://")));
    let decoded = |field: &str| decoded(&cluster, field);
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
    assert!(
        users.contains(&format!("user items on >{password} ")),
        "{users}"
    );
    let operator = format!("user operator on >{} ", decoded("operator-password"));
    assert!(users.contains(&operator), "{users}");
    let other = Cluster::new(false);
    assert!(other.run("deploy.sh", &[], None).status.success());
    let other = self::decoded(&other, "url");
    assert_ne!(other, url, "each cluster has passwords of its own");
}

#[test]
fn deploying_again_keeps_the_passwords() {
    let cluster = Cluster::new(true);
    assert!(cluster.run("deploy.sh", &[], None).status.success());
    let calls = cluster.calls();
    assert!(calls.contains(&"apply -k DEPLOY/kubernetes".to_owned()));
    assert!(!calls.contains(&"create -f -".to_owned()), "{calls:?}");
}

/// A new build may use a key or a command that the users of the last one lack.
#[test]
fn deploying_again_writes_the_users_of_the_new_build_with_the_old_passwords() {
    let cluster = Cluster::new(true);
    assert!(cluster.run("deploy.sh", &[], None).status.success());
    let users = decoded(&cluster, "users.acl");
    assert!(users.contains("user items on >one "), "{users}");
    assert!(users.contains("user operator on >two "), "{users}");
    assert!(cluster.input().contains("  name: items-redis-users\n"));
}

#[test]
fn deploying_again_keeps_the_numbers_of_pods() {
    for name in ["api.yaml", "worker.yaml"] {
        let manifest = fs::read_to_string(deploy().join("kubernetes").join(name)).unwrap();
        let mut lines = manifest.lines().map(str::trim_start);
        assert!(!lines.any(|line| line.starts_with("replicas:")), "{name}");
    }
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
fn no_deployed_file_has_a_password() {
    let mut files = Vec::new();
    for folder in [deploy(), deploy().join("kubernetes")] {
        let entries = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path());
        files.extend(entries.filter(|path| path.is_file()));
    }
    files.push(deploy().join("../compose.yaml"));
    assert!(files.len() > 10, "{files:?}");
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        assert!(!text.contains("nopass"), "{}", file.display());
        for url in text.split("redis://").skip(1) {
            // A URL with a password has a placeholder of `printf`, or a variable, in its place.
            let login = url.split('@').next().unwrap_or_default();
            let has_login = url.contains('@') && !login.contains(char::is_whitespace);
            assert!(
                !has_login || ["items:%s", "items:$items"].contains(&login),
                "{}: {url}",
                file.display()
            );
        }
        // The digits of a password.
        let longest = text
            .split(|letter: char| !letter.is_ascii_hexdigit())
            .map(str::len);
        assert!(longest.max() < Some(32), "{}", file.display());
    }
    let users = fs::read_to_string(deploy().join("users.acl")).unwrap();
    for word in users
        .split_whitespace()
        .filter(|word| word.starts_with('>'))
    {
        let is_placeholder = word.starts_with(">@") && word.ends_with("_PASSWORD@");
        assert!(is_placeholder, "{word}");
    }
}
