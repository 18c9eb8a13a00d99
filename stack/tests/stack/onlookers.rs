//! What other users of the machine see of `stack up`, and how it runs while its output is not read.

use std::fs;
use std::io::pipe;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use stack::client;
use stack::ports::Ports;
use stack::wait::eventually;

use crate::support::{children_of, free_offset, script, stand_ins, wait_dead};
use crate::up::{Up, command};

/// Every user of a machine can read the arguments of its processes.
#[tokio::test]
async fn no_password_stands_on_a_command_line_or_in_the_output() {
    let (bin, data) = (stand_ins(), tempfile::tempdir().unwrap());
    let offset = free_offset(10);
    let mut up = Up::spawn(command(bin.path(), data.path(), offset));
    let printed = up.wait_for_the_box().join("\n");
    let read = |path: String| fs::read_to_string(data.path().join(path)).unwrap();
    let passwords = ["inventory", "payments"].map(|store| read(format!("{store}/passwords")));
    let passwords: Vec<&str> = passwords
        .iter()
        .flat_map(|text| text.lines().map(|line| line.split_once(' ').unwrap().1))
        .collect();
    assert_eq!(passwords.len(), 6);
    for pid in up.children.iter().chain([&up.child.id()]) {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap();
        let arguments = String::from_utf8_lossy(&arguments);
        assert!(
            passwords
                .iter()
                .all(|password| !arguments.contains(password)),
            "{arguments}"
        );
    }
    assert!(
        passwords.iter().all(|password| !printed.contains(password)),
        "{printed}"
    );

    // The command in the box, with another program in the place of `redis-cli`.
    let shown = printed
        .lines()
        .find(|line| line.contains("payments") && line.contains("redis-cli"));
    let shown = shown
        .unwrap()
        .trim_matches(['│', ' '])
        .strip_prefix("payments")
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    script(
        &dir.path().join("redis-cli"),
        "#!/bin/sh\necho \"$REDISCLI_AUTH $*\"\n",
    );
    let line = format!("PATH=\"{}:$PATH\"; {shown}", dir.path().display());
    let said = Command::new("/bin/sh")
        .args(["-c", &line])
        .output()
        .unwrap();
    let said = String::from_utf8(said.stdout).unwrap();
    let operator = read("payments/operator.password".to_owned());
    let port = Ports::standard(offset).unwrap().payments_redis;
    assert_eq!(said, format!("{operator} -p {port} --user operator\n"));
    up.signal(Signal::SIGINT);
    assert_eq!(up.end().0, Some(0));
}

/// As in a terminal that was stopped with Ctrl-S, or in front of a pager that waits.
#[tokio::test]
async fn children_go_on_and_ctrl_c_works_without_a_reader() {
    let (bin, data) = (stand_ins(), tempfile::tempdir().unwrap());
    let offset = free_offset(11);
    let (_reader, writer) = pipe().unwrap();
    let mut command = command(bin.path(), data.path(), offset);
    command
        .env("CHATTY", "1")
        .stdout(writer.try_clone().unwrap())
        .stderr(writer);
    let mut child = command.spawn().unwrap();
    let ports = Ports::standard(offset).unwrap();
    let written = |port: u16| async move {
        let url = format!("http://127.0.0.1:{port}/written");
        let answer = client::get(url).await.ok()?;
        answer.text().await.ok()?.parse::<usize>().ok()
    };
    // More than both pipes and the queue hold together.
    for port in [ports.inventory_http, ports.payments_consumer] {
        eventually("a child to write 4 MB", async || {
            written(port).await.is_some_and(|bytes| bytes > 4_000_000)
        })
        .await;
    }
    let children = children_of(child.id());
    assert_eq!(children.len(), 6);
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGINT).unwrap();
    let mut status = None;
    eventually("the end of `stack up`", || {
        status = child.try_wait().unwrap();
        let ended = status.is_some();
        async move { ended }
    })
    .await;
    assert_eq!(status.unwrap().code(), Some(0));
    wait_dead(&children).await;
}
