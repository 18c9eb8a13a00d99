//! `stack demo` with the real services.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use stack::binaries;

use crate::support::{children_of, stack_binary, wait_dead};

const SUMMARY: [&str; 6] = [
    "✓ buy: paid, stock 10 -> 7",
    "✓ order more than there is: paid, then refunded: insufficient_stock, stock still 2",
    "✓ delete the product in flight: paid, then refunded: product_not_found",
    "✓ cancel in time: cancelled, never paid, stock still 6",
    "all 200 taken once, stock 1000 -> 800",
    "5 of 5 scenes ended as they must",
];

/// The demo with the programs of this build.
fn demo() -> Command {
    let services = binaries::shared().unwrap().inventory;
    let mut command = Command::new(stack_binary());
    command
        .arg("demo")
        .env("PAS_DE_DEUX_BIN_DIR", services.parent().unwrap());
    command
}

#[test]
fn the_demo_shows_five_scenes_that_end_as_they_must() {
    let output = demo().output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(0), "{errors}\n{text}");
    assert!(!text.contains('\x1b'), "colours are for terminals");
    assert!(text.contains("refund_order "), "{text}");
    let end: Vec<&str> = text.lines().rev().take(SUMMARY.len()).collect();
    for (line, wanted) in end.iter().rev().zip(SUMMARY) {
        assert!(line.ends_with(wanted), "{line} instead of {wanted}");
    }
}

#[tokio::test]
async fn an_interrupted_demo_leaves_no_process() {
    let mut child = demo().stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(
        lines
            .by_ref()
            .map_while(Result::ok)
            .any(|line| line.starts_with("Scene 1"))
    );
    let children = children_of(child.id());
    assert_eq!(children.len(), 6);
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    wait_dead(&children).await;
}
