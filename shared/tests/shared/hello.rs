//! The example is a whole service: started, asked, and stopped as an operator would do it.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use stack::ports;
use stack::wait::wait_until;
use tokio::process::{Child, Command};

/// Generous, because the test may have to compile the example, beside other tests.
const LIMIT: Duration = Duration::from_mins(5);

/// Compiles the example with the profile of this test, and answers where it is. A run of all tests
/// has compiled it already.
async fn build() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile_dir = test.ancestors().nth(2).unwrap();
    let profile = match profile_dir.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        profile => profile,
    };
    // From the root of the workspace, so that the features of dependencies are the usual ones.
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let built = Command::new(env!("CARGO"))
        .current_dir(root)
        .args([
            "build",
            "--quiet",
            "--example",
            "hello",
            "--profile",
            profile,
        ])
        .arg("--target-dir")
        .arg(profile_dir.parent().unwrap())
        .status()
        .await
        .unwrap();
    assert!(built.success(), "{built}");
    profile_dir.join("examples").join("hello")
}

fn start(program: &Path, address: &str) -> Child {
    Command::new(program)
        .arg("serve")
        .envs([("HTTP_ADDR", address), ("GREETING", "Bonjour")])
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

async fn stop(mut child: Child) -> ExitStatus {
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    kill(Pid::from_raw(pid), Signal::SIGTERM).unwrap();
    tokio::time::timeout(LIMIT, child.wait())
        .await
        .unwrap()
        .unwrap()
}

#[tokio::test]
async fn the_example_serves_and_stops_without_any_store() {
    let program = build().await;
    let port = ports::free().unwrap();
    let address = format!("127.0.0.1:{}", port.number());
    let child = start(&program, &address);
    let get = async |path: &str| reqwest::get(format!("http://{address}{path}")).await;
    wait_until("the example", LIMIT, || async {
        get("/readyz")
            .await
            .is_ok_and(|ready| ready.status() == 200)
    })
    .await
    .unwrap();

    let greeting: Value = get("/hello/World").await.unwrap().json().await.unwrap();
    assert_eq!(greeting["text"], "Bonjour, World!");
    assert_eq!(get("/livez").await.unwrap().status(), 200);

    let path = "/hello/somebody-with-a-very-long-name";
    let refused = get(path).await.unwrap();
    assert_eq!(refused.status(), 404);
    assert_eq!(
        refused.headers()["content-type"],
        "application/problem+json"
    );
    let problem: Value = refused.json().await.unwrap();
    assert_eq!(problem["type"], "/problems/name-too-long");
    for page in ["/problems/name-too-long", "/problems/not-found"] {
        assert_eq!(get(page).await.unwrap().status(), 200, "{page}");
    }
    assert_eq!(stop(child).await.code(), Some(0));
}
