//! One process of an example.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Result, ensure};
use stack::client::Site;
use stack::guard::Farewell;
use stack::health::{self, QUOTED_LINES};
use stack::ports::{self, Port};
use stack::process::{Launch, Process};
use tokio::task::spawn_blocking;

use crate::program;

/// Settings with the address on which a process listens. The commands of a program have settings of
/// their own, so that they can run side by side.
const ADDRESSES: [&str; 2] = ["HTTP_ADDR", "CONSUMER_HTTP_ADDR"];
/// Variables of this process that a child gets as well. It gets no others.
const PASSED_ON: [&str; 2] = ["PATH", "TMPDIR"];

/// The limit of a start, which includes migrations and waits for servers.
const READY_LIMIT: Duration = Duration::from_mins(1);
/// The limit of a graceful end. A process is meant to end within 5 s.
const STOP_LIMIT: Duration = Duration::from_secs(15);
/// The number of lines that [`Member::logs`] returns.
const LOG_LINES: usize = 400;

/// A process of an example on a free port. It is killed when dropped.
pub struct Member {
    member: health::Member,
    _port: Port,
}

impl Member {
    /// Starts `program` with exactly this environment, and the address on which it listens. `name`
    /// is for people.
    pub async fn start(
        name: &str,
        program: &Path,
        args: &[&str],
        env: &[(&str, &str)],
    ) -> Result<Self> {
        let port = ports::free()?;
        let address = format!("127.0.0.1:{}", port.number());
        let own = ADDRESSES.map(|name| (name, address.as_str()));
        let variables = own.iter().chain(&[("NO_COLOR", "1")]).chain(env);
        let launch = Launch {
            name: name.to_owned(),
            program: program.to_path_buf(),
            args: args.iter().map(Into::into).collect(),
            env: variables
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect(),
            env_remove: inherited(),
        };
        let guard = spawn_blocking(|| program::guard(Farewell::Kill)).await??;
        let member = health::Member {
            process: Arc::new(Process::start(launch, guard, None)?),
            url: format!("http://{address}"),
        };
        Ok(Self {
            member,
            _port: port,
        })
    }

    /// Its address, such as `http://127.0.0.1:20000`.
    pub fn url(&self) -> &str {
        &self.member.url
    }

    /// A client of it.
    pub fn site(&self) -> Site {
        Site::new(self.member.url.clone())
    }

    /// The child process behind it.
    pub fn process(&self) -> &Process {
        &self.member.process
    }

    /// Waits until it answers 200 on `/readyz`, at most 1 min. If it has ended, fails with the last
    /// lines of its log.
    pub async fn wait_ready(&self) -> Result<()> {
        health::wait_ready(std::slice::from_ref(&self.member), READY_LIMIT).await
    }

    /// Kills it with SIGKILL.
    pub fn kill(&self) {
        self.process().kill();
    }

    /// Sends SIGTERM and waits for the end, which must be a success.
    pub async fn stop(&self) -> Result<()> {
        let status = self.process().stop(STOP_LIMIT).await?;
        ensure!(status.success(), "{}", self.member.obituary().await);
        Ok(())
    }

    /// Starts it again with the same environment and port, and waits until it is ready. If it still
    /// runs, it is killed first.
    pub async fn restart(&self) -> Result<()> {
        self.process().restart()?;
        self.wait_ready().await
    }

    /// The last lines of its log.
    pub fn logs(&self) -> String {
        self.process().last_lines(LOG_LINES).join("\n")
    }
}

impl Drop for Member {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let process = self.process();
            eprintln!("--- {} (exit: {:?})", process.name(), process.exit());
            for line in process.last_lines(QUOTED_LINES) {
                eprintln!("    {line}");
            }
        }
    }
}

/// The names of this process's variables that a child must not get.
fn inherited() -> Vec<String> {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    names.filter(|name| !PASSED_ON.contains(&&**name)).collect()
}
