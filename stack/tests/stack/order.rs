//! `stack order` on a running system with the real services.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Output, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use stack::ports::Ports;
use stack::{binaries, project};
use tempfile::TempDir;

use crate::support::{
    children_of, free_cluster_offset, free_offset, is_alive, stack_binary, wait_dead,
};

/// A running `stack up`, which is stopped in order when this is dropped.
struct Up {
    child: Child,
    data: TempDir,
}

impl Up {
    /// Starts `stack up` and waits for its box.
    fn start(offset: u16) -> Self {
        Self::start_in(tempfile::tempdir().unwrap(), offset, &[])
    }

    fn start_in(data: TempDir, offset: u16, flags: &[&str]) -> Self {
        let services = binaries::shared().unwrap().inventory;
        let mut child = Command::new(stack_binary())
            .args(["up", "--port-offset", &offset.to_string(), "--data-dir"])
            .arg(data.path())
            .args(flags)
            .env("PAS_DE_DEUX_BIN_DIR", services.parent().unwrap())
            .env("COMPLETION_DELAY", "1s")
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(
            lines
                .by_ref()
                .map_while(Result::ok)
                .any(|line| line.starts_with('╰'))
        );
        // The log has to be read. Otherwise the pipe fills and `stack up` waits.
        std::thread::spawn(move || lines.map_while(Result::ok).for_each(drop));
        Self { child, data }
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = kill(
            Pid::from_raw(self.child.id().cast_signed()),
            Signal::SIGTERM,
        );
        let _ = self.child.wait();
    }
}

/// Runs `stack order`, and returns its exit code and its output.
fn order(offset: u16, args: &[&str]) -> (Option<i32>, String) {
    run(&[&["order", "--port-offset", &offset.to_string()], args].concat())
}

/// Runs a verb of `stack`, and returns its exit code and its output.
fn run(args: &[&str]) -> (Option<i32>, String) {
    let Output {
        status,
        stdout,
        stderr,
    } = Command::new(stack_binary()).args(args).output().unwrap();
    let text = [stdout, stderr].map(|bytes| String::from_utf8(bytes).unwrap());
    (status.code(), text.concat())
}

#[test]
fn an_order_is_shown_until_it_is_final() {
    let offset = free_offset(12);
    let _up = Up::start(offset);

    let (code, text) = order(offset, &["--quantity", "3"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains(" s  paid"), "{text}");
    assert!(text.ends_with("paid, stock 10 -> 7\n"), "{text}");

    let id = text.split("\"product_id\":\"").nth(1).unwrap();
    let product = &id[..id.find('"').unwrap()];
    let (code, text) = order(offset, &["--product", product, "--quantity", "8"]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.ends_with("refunded: insufficient_stock\n"), "{text}");

    let (code, text) = order(offset, &["--product", product, "--timeout", "200ms"]);
    assert_eq!(code, Some(1), "{text}");
    assert!(
        text.contains("the order is still pending after 200ms"),
        "{text}"
    );

    let unknown = "01932c4e-7c1a-7000-8000-2f0d6a1b9c3e";
    let (code, text) = order(offset, &["--product", unknown]);
    assert_eq!(code, Some(1), "{text}");
    assert!(text.contains("404 Not Found"), "{text}");
}

#[test]
fn the_records_of_a_running_system_are_compared_without_a_variable() {
    let offset = free_offset(14);
    let note = project::data_dir()
        .join("running")
        .join(Ports::standard(offset).unwrap().payments_http.to_string());
    let up = Up::start(offset);
    let (code, text) = order(offset, &[]);
    assert_eq!(code, Some(0), "{text}");

    let (code, text) = run(&["reconcile", "--port-offset", &offset.to_string()]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.contains("1 order"), "{text}");
    let (code, text) = run(&[
        "reconcile",
        "--port-offset",
        &offset.to_string(),
        "--json",
        "--since",
        "1h",
    ]);
    assert_eq!(code, Some(0), "{text}");
    assert!(text.starts_with('{'), "{text}");

    assert!(note.is_file());
    drop(up);
    assert!(!note.exists());
    let (code, text) = run(&["reconcile", "--port-offset", &offset.to_string()]);
    assert_eq!(code, Some(1));
    assert!(
        text.contains(&format!(
            "start it with: cargo run-all --port-offset {offset}"
        )),
        "{text}"
    );
}

#[tokio::test]
async fn on_clusters_an_order_is_served_and_ctrl_c_leaves_no_process_and_the_data() {
    const PROCESSES: usize = 2 * 6 + 4;
    let offset = free_cluster_offset();
    let (mut data, mut product) = (tempfile::tempdir().unwrap(), None);
    for (signal, rest) in [(Signal::SIGINT, 7), (Signal::SIGTERM, 4)] {
        let mut up = Up::start_in(data, offset, &["--cluster"]);
        let children = children_of(up.child.id());
        assert_eq!(children.len(), PROCESSES);
        let more: Vec<&str> = product
            .iter()
            .flat_map(|id: &String| ["--product", id])
            .collect();
        let (code, text) = order(offset, &[&["--quantity", "3"], &more[..]].concat());
        assert_eq!(code, Some(0), "{text}");
        assert!(
            text.ends_with(&format!("paid, stock {} -> {rest}\n", rest + 3)),
            "{text}"
        );
        let id = text.split("\"product_id\":\"").nth(1).unwrap();
        product = Some(id[..id.find('"').unwrap()].to_owned());
        kill(Pid::from_raw(up.child.id().cast_signed()), signal).unwrap();
        assert_eq!(up.child.wait().unwrap().code(), Some(0));
        assert!(!children.iter().any(|pid| is_alive(*pid)));
        wait_dead(&children).await;
        data = std::mem::replace(&mut up.data, tempfile::tempdir().unwrap());
    }
}

#[test]
fn without_a_running_system_one_line_says_how_to_start_it() {
    let offset = free_offset(13);
    let port = Ports::standard(offset).unwrap().inventory_http;
    let (code, text) = order(offset, &[]);
    assert_eq!(code, Some(1));
    assert_eq!(
        text,
        format!(
            "stack: the system is not running, inventory does not answer on port {port}; \
             start it with: cargo run-all --port-offset {offset}\n"
        )
    );
}
