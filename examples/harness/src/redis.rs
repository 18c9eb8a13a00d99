//! A private Redis or Valkey with the shipped configuration of the stores.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use stack::credentials::{random_password, write_private};
use stack::process::{Launch, Process};
use stack::server;
use stack::wait::wait_for;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::place::Place;

/// Embedded, so that a test runs from any folder, and an example runs with what is deployed.
const CONFIG: &str = include_str!("../../../deploy/redis.conf");
/// The user of people and tests, who may do everything.
const OPERATOR: &str = "operator";
/// The users of a server without an ACL file of its own.
pub const ACL: &str =
    "user default off ~* &* +@all\nuser operator on >@OPERATOR_PASSWORD@ ~* &* +@all\n";

/// The file with the passwords, in the folder of the server.
const PASSWORDS: &str = "passwords";
/// The file with the password of the user who may do everything.
const OPERATOR_PASSWORD: &str = "operator.password";
/// The limit of a start, which includes reading back the append-only file.
const READY_LIMIT: Duration = Duration::from_mins(1);
const STOP_LIMIT: Duration = Duration::from_secs(10);
const PING_LIMIT: Duration = Duration::from_secs(1);
/// The number of log lines that an error quotes.
const QUOTED_LINES: usize = 20;

/// A running server. It is killed when dropped.
pub struct Redis {
    process: Process,
    passwords: Passwords,
    place: Place,
}

/// The names and passwords of the users.
struct Passwords(Vec<(String, String)>);

impl Redis {
    /// Starts a server for a test, whose only user may do everything.
    pub async fn start() -> Result<Self> {
        Self::with_acl(ACL).await
    }

    /// Starts a server for a test with the users of an ACL file. As in `deploy/acl`, lines that do
    /// not begin with `user` are left out, and `@NAME_PASSWORD@` becomes the password of the user
    /// `name`. The file has to have the user `operator`.
    pub async fn with_acl(acl: &str) -> Result<Self> {
        Self::start_in(Place::private().await?, acl).await
    }

    /// Starts a server in this place, with its data and passwords if it was there before.
    pub async fn start_in(place: Place, acl: &str) -> Result<Self> {
        let program = spawn_blocking(server::shared).await??;
        let path = place.dir.join(PASSWORDS);
        let kept = fs::read_to_string(&path).unwrap_or_default();
        let passwords = Passwords::of(acl, &kept)?;
        write_private(&path, &passwords.text())?;
        let operator = passwords.find(OPERATOR).unwrap_or_default();
        write_private(&place.dir.join(OPERATOR_PASSWORD), operator)?;
        let (config, users) = (place.dir.join("redis.conf"), place.dir.join("users.acl"));
        write_private(&config, CONFIG)?;
        write_private(&users, &passwords.render(acl))?;
        let mut args = vec![config.into_os_string()];
        let port = place.port.to_string();
        for (name, value) in [
            ("--port", port.as_ref()),
            ("--dir", place.dir.as_os_str()),
            ("--aclfile", users.as_os_str()),
        ] {
            args.extend([name.into(), value.to_owned()]);
        }
        if !place.durable {
            // A killed server loses nothing that it wrote, only a crashed machine does.
            args.extend(["--appendfsync".into(), "no".into()]);
        }
        let launch = Launch {
            name: "redis".to_owned(),
            program: program.path,
            args,
            ..Launch::default()
        };
        let process = Process::start(launch, place.guard.clone(), place.sink.clone())?;
        let redis = Self {
            process,
            passwords,
            place,
        };
        redis.wait_ready().await?;
        Ok(redis)
    }

    /// The address for the user who may do everything.
    pub fn url(&self) -> String {
        self.url_of(OPERATOR)
    }

    /// The address for a user of the ACL file.
    ///
    /// # Panics
    ///
    /// When the file has no such user, because then the test is wrong.
    pub fn url_of(&self, user: &str) -> String {
        let password = self.passwords.find(user);
        let password = password.unwrap_or_else(|| panic!("the ACL file has no user {user}"));
        format!("redis://{user}:{password}@127.0.0.1:{}", self.place.port)
    }

    /// The data folder of the server.
    pub fn dir(&self) -> &Path {
        &self.place.dir
    }

    /// The file with the password of the user who may do everything.
    pub fn password_file(&self) -> PathBuf {
        self.place.dir.join(OPERATOR_PASSWORD)
    }

    /// The port on the loopback interface.
    pub fn port(&self) -> u16 {
        self.place.port
    }

    /// The child process behind it.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Kills it with SIGKILL. Its data stays.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// Starts it again with its data on the same port, and waits until it answers. If it still runs,
    /// it is killed first.
    pub async fn restart(&self) -> Result<()> {
        self.process.restart()?;
        self.wait_ready().await
    }

    /// Stops it with SIGTERM.
    pub async fn stop(&self) -> Result<()> {
        self.process.stop(STOP_LIMIT).await.map(drop)
    }

    async fn wait_ready(&self) -> Result<()> {
        let client = redis::Client::open(self.url())?;
        let answered = wait_for("its answer to PING", READY_LIMIT, || async {
            let ended = self.process.exit().is_some();
            let answer = timeout(PING_LIMIT, ping(&client)).await;
            (ended || matches!(answer, Ok(Ok(())))).then_some(!ended)
        });
        if let Ok(true) = answered.await {
            return Ok(());
        }
        self.process.drain_output().await;
        let lines = self.process.last_lines(QUOTED_LINES).join("\n");
        bail!("`redis` did not start on port {}\n{lines}", self.place.port)
    }
}

impl Passwords {
    /// The users of an ACL file: with their kept passwords, or else with new ones.
    fn of(acl: &str, kept: &str) -> Result<Self> {
        let known = |name: &str| {
            let mut lines = kept.lines().filter_map(|line| line.split_once(' '));
            lines
                .find(|(user, _)| *user == name)
                .map(|(_, it)| it.to_owned())
        };
        let users = acl.lines().filter_map(|line| line.strip_prefix("user "));
        let mut found = Vec::new();
        for name in users.filter_map(|line| line.split(' ').next()) {
            let password = known(name).map_or_else(random_password, Ok)?;
            found.push((name.to_owned(), password));
        }
        let passwords = Self(found);
        passwords
            .find(OPERATOR)
            .context("the ACL file has no user operator")?;
        Ok(passwords)
    }

    fn find(&self, user: &str) -> Option<&str> {
        let mut users = self.0.iter();
        users.find(|(name, _)| name == user).map(|(_, it)| &**it)
    }

    fn text(&self) -> String {
        let lines = self.0.iter().map(|(name, it)| format!("{name} {it}"));
        lines.collect::<Vec<_>>().join("\n")
    }

    /// The file that the server reads.
    fn render(&self, acl: &str) -> String {
        let lines = acl.lines().filter(|line| line.starts_with("user "));
        let lines: Vec<&str> = lines.collect();
        let mut text = lines.join("\n") + "\n";
        for (name, password) in &self.0 {
            let place = format!("@{}_PASSWORD@", name.to_uppercase());
            text = text.replace(&place, password);
        }
        text
    }
}

async fn ping(client: &redis::Client) -> redis::RedisResult<()> {
    let mut connection = client.get_multiplexed_async_connection().await?;
    redis::cmd("PING").query_async(&mut connection).await
}
