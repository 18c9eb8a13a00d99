//! One child process: signals, lines, and an end no later than its parent's.

use std::io::{BufRead, BufReader};
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use stack::process::Process;
use stack::wait::{eventually, wait_until};

use crate::support::{LIMIT, guard, is_alive, shell, stack_binary, wait_dead};

#[tokio::test]
async fn lines_of_both_outputs_are_kept_and_handed_on() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let sink = seen.clone();
    let process = Process::start(
        shell("echo one; echo two >&2; exit 4"),
        guard(),
        Some(Arc::new(move |line: &str| {
            sink.lock().unwrap().push(line.to_owned());
        })),
    )
    .unwrap();
    assert_eq!(process.wait(LIMIT).await.unwrap().code(), Some(4));
    process.drain_output().await;
    let mut lines = process.last_lines(10);
    lines.sort();
    assert_eq!(lines, ["one", "two"]);
    assert_eq!(seen.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn only_the_last_lines_are_kept() {
    let process = Process::start(shell("seq 1 5000"), guard(), None).unwrap();
    process.wait(LIMIT).await.unwrap();
    process.drain_output().await;
    assert_eq!(process.last_lines(2), ["4999", "5000"]);
    assert!(process.last_lines(usize::MAX).len() < 1000);
}

#[tokio::test]
async fn kill_terminate_pause_and_restart_do_what_they_say() {
    let process = Process::start(
        shell("trap 'exit 7' TERM; echo up; while :; do sleep 0.01; done"),
        guard(),
        None,
    )
    .unwrap();
    eventually("the trap", async || !process.last_lines(1).is_empty()).await;
    assert_eq!(process.stop(LIMIT).await.unwrap().code(), Some(7));

    process.restart().unwrap();
    let first = process.pid();
    process.pause();
    process.kill();
    assert_eq!(process.exit().unwrap().signal(), Some(9));
    assert!(!process.is_running() && !is_alive(first));

    process.restart().unwrap();
    assert!(process.is_running());
    assert_ne!(process.pid(), first);
}

#[tokio::test]
async fn a_process_that_ignores_sigterm_is_killed_and_reported() {
    let process = Process::start(
        shell("trap '' TERM; echo up; while :; do sleep 0.01; done"),
        guard(),
        None,
    )
    .unwrap();
    eventually("the trap", async || !process.last_lines(1).is_empty()).await;
    let error = process
        .stop(std::time::Duration::from_millis(100))
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("the end of `shell`"), "{error}");
    assert!(!process.is_running());
}

#[tokio::test]
async fn a_dropped_process_and_what_it_started_are_gone() {
    let process = Process::start(shell("sleep 1000 & echo $!; wait"), guard(), None).unwrap();
    eventually("the grandchild", async || !process.last_lines(1).is_empty()).await;
    let pids = [process.pid(), process.last_lines(1)[0].parse().unwrap()];
    drop(process);
    wait_dead(&pids).await;
}

/// The thread that started the process ends, and the process lives on. Only the end of the whole
/// parent process counts.
#[tokio::test]
async fn a_child_survives_the_thread_that_started_it() {
    let script = "trap 'echo alive' USR1; echo ready; while :; do sleep 1000 & wait; done";
    let start = move || {
        let thread = std::fs::read_link("/proc/thread-self").unwrap();
        (
            Process::start(shell(script), guard(), None).unwrap(),
            thread,
        )
    };
    let (process, thread) = std::thread::spawn(start).join().unwrap();
    let thread = std::path::Path::new("/proc").join(thread);
    let said = |line: &str| process.last_lines(1) == [line];
    // The kernel has sent what it sends at the death of a thread once the thread is gone.
    eventually("its end", async || !thread.exists()).await;
    eventually("the child", async || said("ready")).await;
    let pid = process.pid().to_string();
    assert!(
        Command::new("kill")
            .args(["-USR1", &pid])
            .status()
            .unwrap()
            .success()
    );
    eventually("a word of it", async || said("alive")).await;
}

#[tokio::test]
async fn a_child_dies_with_a_parent_that_is_killed() {
    // The shell is the parent: it starts the guarded child and prints its id.
    let line = format!(
        "{} exec-child kill $$ sleep 1000 & echo $!; wait",
        stack_binary().display()
    );
    let mut parent = Command::new("/bin/sh")
        .args(["-c", &line])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut child = String::new();
    BufReader::new(parent.stdout.take().unwrap())
        .read_line(&mut child)
        .unwrap();
    let child: u32 = child.trim().parse().unwrap();
    eventually("the child to become `sleep`", async || {
        std::fs::read_to_string(format!("/proc/{child}/comm"))
            .is_ok_and(|name| name.trim() == "sleep")
    })
    .await;
    parent.kill().unwrap();
    parent.wait().unwrap();
    wait_dead(&[child]).await;
}

#[test]
fn a_child_whose_parent_is_already_gone_does_not_start() {
    let output = Command::new(stack_binary())
        .args(["exec-child", "term", "1", "echo", "started"])
        .output()
        .unwrap();
    assert!(!output.status.success());
    assert!(output.stdout.is_empty());
}

#[tokio::test]
async fn a_wait_in_vain_names_its_condition() {
    let limit = std::time::Duration::from_millis(30);
    let error = wait_until("the moon", limit, || async { false })
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("the moon"), "{error}");
    // A probe that hangs is broken off, too.
    assert!(
        wait_until("nothing", limit, std::future::pending::<bool>)
            .await
            .is_err()
    );
}
