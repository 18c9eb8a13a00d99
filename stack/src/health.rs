//! Waits until processes answer on `/readyz` that they are ready.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, bail};
use futures_util::future::try_join_all;
use reqwest::Client;

use crate::client;
use crate::process::Process;
use crate::wait::wait_for;

/// The number of log lines that an error quotes of a process.
pub const QUOTED_LINES: usize = 20;

/// The limit for one answer: a starting process may be slow, and a stopped process never answers.
const PROBE_LIMIT: Duration = Duration::from_secs(2);

/// A process and its address.
#[derive(Clone)]
pub struct Member {
    /// The process.
    pub process: Arc<Process>,
    /// Its address, such as `http://127.0.0.1:8000`.
    pub url: String,
}

impl Member {
    /// The name, exit status and last log lines of the process, for people.
    pub async fn obituary(&self) -> String {
        obituary(&self.process).await
    }
}

/// The state of `process` and the last lines of its log, for people.
pub async fn obituary(process: &Process) -> String {
    let state = match process.exit() {
        Some(status) => {
            process.drain_output().await;
            format!("ended with {status}")
        }
        None => "is running".to_owned(),
    };
    let lines = process.last_lines(QUOTED_LINES);
    let log = if lines.is_empty() {
        "it wrote nothing".to_owned()
    } else {
        format!("its last lines:\n{}", lines.join("\n"))
    };
    format!("`{}` {state}; {log}", process.name())
}

/// Waits until all members answer 200 on `/readyz`, at most `limit`. If a member has ended, it fails
/// at once with the last lines of that member's log.
pub async fn wait_ready(members: &[Member], limit: Duration) -> Result<()> {
    let client = client::client(PROBE_LIMIT)?;
    let ready = members
        .iter()
        .map(|member| member.wait_ready(&client, limit));
    try_join_all(ready).await.map(drop)
}

impl Member {
    async fn wait_ready(&self, client: &Client, limit: Duration) -> Result<()> {
        let ready = wait_for("/readyz", limit, || async {
            if self.process.exit().is_some() {
                return Some(false);
            }
            let answer = client.get(format!("{}/readyz", self.url)).send().await;
            answer
                .is_ok_and(|answer| answer.status() == 200)
                .then_some(true)
        });
        if ready.await.unwrap_or(false) {
            return Ok(());
        }
        let name = self.process.name();
        bail!("`{name}` did not become ready\n{}", self.obituary().await)
    }
}
