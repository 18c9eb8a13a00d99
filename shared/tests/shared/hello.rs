//! The example is a whole service: the test starts it, asks it, and stops it like an operator.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;
use stack::client;
use stack::ports;
use stack::project;
use stack::wait::wait_until;
use tokio::process::{Child, Command};

/// Generous, because the test may have to compile the example while other tests run.
const LIMIT: Duration = Duration::from_mins(5);

/// Compiles the example with the profile of this test, and answers its path. A run of all tests has
/// compiled it before.
async fn build() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let profile_dir = test.ancestors().nth(2).unwrap();
    let profile = match profile_dir.file_name().unwrap().to_str().unwrap() {
        "debug" => "dev",
        profile => profile,
    };
    // From the root of the workspace, so that cargo chooses the same features of dependencies as
    // always.
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

fn start(program: &Path, address: &str, settings: &[(&str, &str)]) -> Child {
    Command::new(program)
        .arg("serve")
        .env("HTTP_ADDR", address)
        .envs(settings.iter().copied())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

fn tell(child: &Child, signal: Signal) {
    let pid = i32::try_from(child.id().unwrap()).unwrap();
    kill(Pid::from_raw(pid), signal).unwrap();
}

async fn end(mut child: Child) -> ExitStatus {
    let ended = tokio::time::timeout(LIMIT, child.wait());
    ended.await.unwrap().unwrap()
}

/// Waits until the example at this address answers this status on `/readyz`.
async fn wait_readiness(address: &str, status: u16) {
    wait_until("the example", LIMIT, || async {
        let ready = client::get(format!("http://{address}/readyz")).await;
        ready.is_ok_and(|ready| ready.status() == status)
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn the_example_serves_and_stops_without_any_store() {
    let program = build().await;
    let port = ports::free().unwrap();
    let address = format!("127.0.0.1:{}", port.number());
    let child = start(
        &program,
        &address,
        &[("GREETING", "Bonjour"), ("DRAIN_DELAY", "0")],
    );
    let get = async |path: &str| client::get(format!("http://{address}{path}")).await;
    wait_readiness(&address, 200).await;

    let greeting: Value = get("/hello/World").await.unwrap().json().await.unwrap();
    assert_eq!(greeting["text"], "Bonjour, World!");
    assert_eq!(get("/livez").await.unwrap().status(), 200);

    let path = "/hello/a-person-with-a-very-long-name";
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
    tell(&child, Signal::SIGTERM);
    assert_eq!(end(child).await.code(), Some(0));
}

/// The first signal begins a long drain, and the second one ends it.
#[tokio::test]
async fn a_second_signal_ends_a_process_with_the_status_of_that_signal() {
    let program = build().await;
    for (second, status) in [(Signal::SIGTERM, 143), (Signal::SIGINT, 130)] {
        let port = ports::free().unwrap();
        let address = format!("127.0.0.1:{}", port.number());
        let child = start(&program, &address, &[("DRAIN_DELAY", "60s")]);
        wait_readiness(&address, 200).await;
        tell(&child, Signal::SIGTERM);
        wait_readiness(&address, 503).await;
        tell(&child, second);
        assert_eq!(end(child).await.code(), Some(status));
    }
}

/// The first block of `docs/build-your-own.md` starts the example and calls it.
#[tokio::test]
async fn the_example_answers_what_the_page_says() {
    let page = std::fs::read_to_string(project::root().join("docs/build-your-own.md")).unwrap();
    let mut lines = page
        .lines()
        .skip_while(|line| *line != "```console")
        .skip(1);
    assert_eq!(lines.next(), Some("$ cargo run --example hello -- serve"));
    let path = lines
        .next()
        .unwrap()
        .strip_prefix("$ curl http://127.0.0.1:8080");
    let (path, printed) = (path.unwrap(), lines.next().unwrap());

    let program = build().await;
    let help = Command::new(&program).arg("--help").output().await.unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let mut settings = help.lines().map(|line| line.split_whitespace().take(2));
    assert!(
        settings.any(|words| words.eq(["HTTP_ADDR", "127.0.0.1:8080"])),
        "{help}"
    );
    let port = ports::free().unwrap();
    let address = format!("127.0.0.1:{}", port.number());
    let _child = start(&program, &address, &[]);
    wait_readiness(&address, 200).await;
    let answer = client::get(format!("http://{address}{path}"))
        .await
        .unwrap();
    assert_eq!(answer.text().await.unwrap(), printed);
}
