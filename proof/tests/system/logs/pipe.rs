//! Processes whose logs go through a pipe, and readers of the pipe.

use std::io::{BufRead, BufReader, PipeReader, Write, pipe};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use reqwest::Client;
use serde_json::Value;
use stack::client::client;
use stack::ports;
use stack::role::Role;
use stack::wait::eventually;
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::harness::{LIMIT, Shop};

/// How many bytes a pipe holds without a reader.
pub(crate) const PIPE_BYTES: usize = 64 * 1024;

/// A pipe that is full from the beginning, and its reader.
pub(crate) fn full_pipe() -> (PipeReader, Stdio) {
    let (reader, mut writer) = pipe().unwrap();
    writer.write_all(&vec![b'x'; PIPE_BYTES]).unwrap();
    (reader, writer.into())
}

/// A process whose outputs the test reads, and a client for it.
pub(crate) struct Watched {
    pub(super) child: Child,
    pub(super) url: String,
    pub(super) client: Client,
}

impl Watched {
    /// Starts another process of inventory beside the system, whose standard output is `stdout`.
    pub(super) async fn beside(
        shop: &Shop,
        stdout: impl Into<Stdio>,
        env: &[(&str, &str)],
    ) -> Self {
        Self::start(shop.command(Role::InventoryServe, env), stdout).await
    }

    pub(super) async fn start(mut command: Command, stdout: impl Into<Stdio>) -> Self {
        let port = ports::free().unwrap();
        let address = format!("127.0.0.1:{}", port.number());
        drop(port);
        let child = command
            .env("HTTP_ADDR", &address)
            .stdout(stdout)
            .spawn()
            .unwrap();
        Self::known(child, format!("http://{address}")).await
    }

    /// Stops a process of the system, and starts it with this command in its place.
    pub(crate) async fn in_place_of(shop: &Shop, role: Role, mut command: Command) -> Self {
        let process = shop.system.process(role.name());
        // The first is stopped already if this is not the first in its place.
        if process.is_running() {
            process.stop(super::STOP_LIMIT).await.unwrap();
        }
        let child = command.spawn().unwrap();
        Self::known(child, shop.system.url(role.name())).await
    }

    /// A process that listens at `url`, as soon as it is ready.
    async fn known(child: Child, url: String) -> Self {
        let client = client(LIMIT).unwrap();
        let watched = Self { child, url, client };
        eventually(&watched.url, async || {
            let asked = watched
                .client
                .get(format!("{}/readyz", watched.url))
                .send()
                .await;
            asked.is_ok_and(|answer| answer.status() == 200)
        })
        .await;
        watched
    }

    /// The status of the answer to a GET.
    pub(super) async fn get(&self, path: &str) -> u16 {
        self.client
            .get(format!("{}{path}", self.url))
            .send()
            .await
            .unwrap()
            .status()
            .as_u16()
    }

    /// Lowers the limit to 3 descriptors, so that the process can open no other.
    pub(super) fn take_descriptors(&self) {
        let pid = self.child.id().unwrap().to_string();
        let mut limit = std::process::Command::new("prlimit");
        let limited = limit.args(["--pid", &pid, "--nofile=3:"]).status().unwrap();
        assert!(limited.success(), "{limited}");
    }

    pub(crate) async fn terminate(&mut self) -> Option<i32> {
        let pid = Pid::from_raw(self.child.id().unwrap().cast_signed());
        kill(pid, Signal::SIGTERM).unwrap();
        let ended = timeout(super::STOP_LIMIT, self.child.wait());
        ended
            .await
            .expect("the process ignores SIGTERM")
            .unwrap()
            .code()
    }
}

/// What a thread has read of an output so far. It waits for `pause` after each line, until the test
/// calls for haste.
#[derive(Clone, Default)]
pub(crate) struct Reader {
    pub(super) lines: Arc<Mutex<Vec<String>>>,
    pub(super) hurries: Arc<AtomicBool>,
}

impl Reader {
    pub(crate) fn start(output: PipeReader, pause: Duration) -> Self {
        let reader = Self::default();
        let Self { lines, hurries } = reader.clone();
        thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                lines.lock().unwrap().push(line);
                if !hurries.load(Ordering::Relaxed) {
                    thread::sleep(pause);
                }
            }
        });
        reader
    }

    /// Waits for the line that a process writes when it is told to stop.
    pub(super) async fn wait_last(&self) {
        self.wait("the last line", |line| line.contains("stopping"))
            .await;
    }

    pub(super) fn count(&self, found: impl Fn(&str) -> bool) -> usize {
        self.lines
            .lock()
            .unwrap()
            .iter()
            .filter(|line| found(line))
            .count()
    }

    pub(super) async fn wait(&self, what: &str, found: impl Fn(&str) -> bool) {
        eventually(what, async || self.count(&found) > 0).await;
    }

    pub(crate) fn objects(&self) -> Vec<Value> {
        let lines = self.lines.lock().unwrap();
        lines
            .iter()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}
