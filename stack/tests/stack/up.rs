//! `stack up` as people use it, with stand-ins for the services.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::{fs, thread};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use stack::ports::Ports;

use crate::support::{
    LIMIT, children_of, free_offset, is_alive, script, stack_binary, stand_ins, wait_dead,
};

/// A running `stack up`, and the lines that it prints.
pub(crate) struct Up {
    pub(crate) child: Child,
    pub(crate) lines: Receiver<String>,
    pub(crate) children: Vec<u32>,
}

pub(crate) fn command(bin_dir: &Path, data: &Path, offset: u16) -> Command {
    let mut command = Command::new(stack_binary());
    command
        .args(["up", "--port-offset", &offset.to_string(), "--data-dir"])
        .arg(data)
        .env("PAS_DE_DEUX_BIN_DIR", bin_dir)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    command
}

impl Up {
    /// Starts `stack up` and waits for its box.
    pub(crate) fn start(command: Command) -> Self {
        let mut up = Self::spawn(command);
        up.wait_for_the_box();
        up
    }

    pub(crate) fn spawn(mut command: Command) -> Self {
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        for pipe in [
            Box::new(child.stdout.take().unwrap()) as Box<dyn std::io::Read + Send>,
            Box::new(child.stderr.take().unwrap()),
        ] {
            let sender = sender.clone();
            thread::spawn(move || {
                BufReader::new(pipe)
                    .lines()
                    .map_while(Result::ok)
                    .try_for_each(|line| sender.send(line))
            });
        }
        Self {
            child,
            lines,
            children: Vec::new(),
        }
    }

    /// Waits for the box, and returns all lines up to its end.
    pub(crate) fn wait_for_the_box(&mut self) -> Vec<String> {
        let ready = self.lines_until(|line| line.starts_with('╰'));
        assert!(
            ready.iter().any(|line| line.contains("/docs")),
            "{ready:#?}"
        );
        self.children = children_of(self.child.id());
        assert_eq!(self.children.len(), 6, "{ready:#?}");
        ready
    }

    pub(crate) fn lines_until(&self, found: impl Fn(&str) -> bool) -> Vec<String> {
        let mut seen = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(LIMIT) {
            seen.push(line);
            if found(&seen[seen.len() - 1]) {
                return seen;
            }
        }
        panic!("the line never came: {seen:#?}")
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Waits for the end, and returns the exit code and the rest of the lines.
    pub(crate) fn end(&mut self) -> (Option<i32>, String) {
        let status = self.child.wait().unwrap();
        let mut rest = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(LIMIT) {
            rest.push(line);
        }
        (status.code(), rest.join("\n"))
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn refused(mut command: Command) -> String {
    let Output { status, stderr, .. } = command.output().unwrap();
    assert_eq!(status.code(), Some(1));
    String::from_utf8(stderr).unwrap()
}

#[tokio::test]
async fn ctrl_c_drains_and_leaves_no_process_and_the_data_stays() {
    let (bin, data) = (stand_ins(), tempfile::tempdir().unwrap());
    let mut passwords = Vec::new();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut up = Up::start(command(bin.path(), data.path(), free_offset(0)));
        up.signal(signal);
        assert_eq!(up.end().0, Some(0));
        assert!(up.children.iter().all(|pid| !is_alive(*pid)));
        assert!(data.path().join("payments/appendonlydir").is_dir());
        passwords.push(fs::read_to_string(data.path().join("payments/passwords")).unwrap());
    }
    assert_eq!(
        passwords[0], passwords[1],
        "the second run found the data of the first"
    );

    let mut fresh = command(bin.path(), data.path(), free_offset(0));
    fresh.arg("--fresh");
    let mut up = Up::start(fresh);
    up.signal(Signal::SIGINT);
    assert_eq!(up.end().0, Some(0));
    assert_ne!(
        fs::read_to_string(data.path().join("payments/passwords")).unwrap(),
        passwords[0]
    );
}

#[tokio::test]
async fn a_second_ctrl_c_or_sigterm_kills_at_once() {
    for (signal, status) in [(Signal::SIGINT, 130), (Signal::SIGTERM, 143)] {
        let (bin, data) = (stand_ins(), tempfile::tempdir().unwrap());
        let mut stubborn = command(bin.path(), data.path(), free_offset(7));
        stubborn.env("STUBBORN", "1");
        let mut up = Up::start(stubborn);
        up.signal(signal);
        up.lines_until(|line| line.contains("Ctrl-C again kills at once"));
        up.signal(signal);
        assert_eq!(up.end().0, Some(status));
        wait_dead(&up.children).await;
    }
}

#[tokio::test]
async fn killing_run_all_itself_leaves_no_child() {
    let (bin, data) = (stand_ins(), tempfile::tempdir().unwrap());
    let mut up = Up::start(command(bin.path(), data.path(), free_offset(3)));
    up.signal(Signal::SIGKILL);
    up.child.wait().unwrap();
    wait_dead(&up.children).await;
}

#[test]
fn a_taken_port_is_named_with_the_process_that_holds_it() {
    let (bin, data) = (stand_ins(), tempfile::tempdir().unwrap());
    let offset = free_offset(4);
    let port = Ports::standard(offset).unwrap().payments_http;
    let _taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let error = refused(command(bin.path(), data.path(), offset));
    assert!(
        error.contains(&format!(
            "port {port} (payments serve) is taken by process {} (",
            std::process::id()
        )),
        "{error}"
    );
    assert!(error.contains("--port-offset"), "{error}");
}

#[test]
fn a_data_folder_belongs_to_one_run_and_was_made_by_run_all() {
    let (bin, data) = (stand_ins(), tempfile::tempdir().unwrap());
    let up = Up::start(command(bin.path(), data.path(), free_offset(5)));
    let error = refused(command(bin.path(), data.path(), free_offset(6)));
    assert!(
        error.contains("in use by another run-all") && error.contains(&up.child.id().to_string()),
        "{error}"
    );

    let foreign = tempfile::tempdir().unwrap();
    fs::create_dir(foreign.path().join("inventory")).unwrap();
    let mut fresh = command(bin.path(), foreign.path(), free_offset(6));
    fresh.arg("--fresh");
    assert!(refused(fresh).contains("was not made by run-all"));
    assert!(foreign.path().join("inventory").is_dir());
}

#[test]
fn mistakes_are_refused_before_any_process_starts() {
    let (bin, data) = (stand_ins(), tempfile::tempdir().unwrap());
    let error = refused(command(bin.path(), data.path(), 60_000));
    assert!(
        error.contains("the port offset 60000 leads past port 65535"),
        "{error}"
    );

    fs::remove_file(bin.path().join("payments")).unwrap();
    let error = refused(command(bin.path(), data.path(), free_offset(8)));
    assert!(error.contains("`payments` is missing in "), "{error}");
    assert!(!data.path().join("inventory").exists());
}

#[test]
fn data_of_one_server_is_not_given_to_another_that_may_not_read_it() {
    let (bin, data) = (stand_ins(), tempfile::tempdir().unwrap());
    for (name, version) in [
        ("new", "Valkey server v=9.1.2 sha=0"),
        ("old", "Redis server v=7.0.15 sha=0"),
    ] {
        script(
            &bin.path().join(name),
            &format!("#!/bin/sh\necho '{version}'\n"),
        );
    }
    // The server is a stand-in, so the start fails. Before that, the folder notes which server was
    // to write it.
    let mut first = command(bin.path(), data.path(), free_offset(9));
    first.env("REDIS_SERVER", bin.path().join("new"));
    assert!(refused(first).contains("`inventory redis` did not start"));

    let mut second = command(bin.path(), data.path(), free_offset(9));
    second.env("REDIS_SERVER", bin.path().join("old"));
    let error = refused(second);
    assert!(
        error.contains("was written by Valkey 9.1.2 and Redis 7.0.15 may not read it"),
        "{error}"
    );
    assert!(
        error.contains(&format!(
            "REDIS_SERVER={}",
            bin.path().join("new").display()
        )),
        "{error}"
    );
}
