//! One private store: a Redis or Valkey server with the shipped configuration, and with a port,
//! folder, users and passwords of its own.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::credentials::{Credentials, User, write_private};
use crate::ports;
use crate::ports::Port;
use crate::process::{Launch, Process};
use crate::wait::wait_for;

pub use options::{Environment, Overrides, RedisOptions};
pub use owner::Owner;
use owner::of_readers;

mod options;
mod owner;

/// Embedded, so that a test runs from any folder, and `run-all` runs exactly what is deployed.
const CONFIG: &str = include_str!("../../deploy/redis.conf");
const START: &str = include_str!("../../deploy/start-store.sh");

/// The beginning of every line that `start-store.sh` writes about a disk.
const DISK: &str = "start-store.sh: the disk of ";
/// The limit of a start, which includes reading back the whole append-only file.
const READY_LIMIT: Duration = Duration::from_mins(1);
const STOP_LIMIT: Duration = Duration::from_secs(10);
const PING_LIMIT: Duration = Duration::from_secs(1);
/// The number of free ports to try, because another process may take a port first.
const PORT_ATTEMPTS: usize = 5;

/// A running store. Killed when dropped; its folder stays.
pub struct RedisServer {
    port: u16,
    dir: PathBuf,
    credentials: Credentials,
    process: Process,
    /// Reserves the port while the server is down between a kill and a restart.
    _reservation: Option<Port>,
}

impl RedisServer {
    /// Starts a store on a free port and waits until it answers.
    pub async fn start(options: RedisOptions) -> Result<Self> {
        for attempt in 1.. {
            let reservation = ports::free()?;
            let redis = Self::launch_on(options.clone(), reservation.number(), Some(reservation))?;
            match redis.wait_ready().await {
                Err(_) if attempt < PORT_ATTEMPTS && redis.lost_its_port() => {}
                Err(error) => return Err(error),
                Ok(()) => return Ok(redis),
            }
        }
        bail!("no port for the {} store", options.store.name())
    }

    /// Starts a store on this port without waiting for it.
    pub fn launch(options: RedisOptions, port: u16) -> Result<Self> {
        Self::launch_on(options, port, None)
    }

    /// The address for `user`, with its password.
    pub fn url(&self, user: User) -> String {
        self.url_through(user, self.port)
    }

    /// The address for `user` on another port, where a proxy listens in front of the store.
    pub fn url_through(&self, user: User, port: u16) -> String {
        format!(
            "redis://{}:{}@127.0.0.1:{port}",
            user.name(),
            self.credentials.password(user)
        )
    }

    /// The file with the operator's password, which only its owner can read.
    pub fn operator_password_file(&self) -> PathBuf {
        self.dir.join("operator.password")
    }

    /// The port on the loopback interface.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The process id of the server.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The data folder.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The child process behind it.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Whether its start script found the disk full, and has found no room since.
    pub fn only_reads(&self) -> bool {
        let said = self.process.last_lines(usize::MAX);
        let disk = said.iter().rev().find(|line| line.starts_with(DISK));
        disk.is_some_and(|line| line.contains(" is full: "))
    }

    /// Kills it with SIGKILL. The data folder stays as it is.
    pub fn kill(&self) {
        self.process.kill();
    }

    /// Stops it with SIGTERM, with all its data on disk.
    pub async fn stop(&self) -> Result<()> {
        self.process.stop(STOP_LIMIT).await.map(drop)
    }

    /// Freezes it: connections stay open, and no request is answered.
    pub fn pause(&self) {
        self.process.pause();
    }

    /// Ends the freeze.
    pub fn resume(&self) {
        self.process.resume();
    }

    /// Starts it again with the same folder and port, and waits until it answers. If it still runs,
    /// it is killed first.
    pub async fn restart(&self) -> Result<()> {
        self.process.restart()?;
        self.wait_ready().await
    }

    /// Waits until it answers PING to the operator, which it does after it has read its data back.
    pub async fn wait_ready(&self) -> Result<()> {
        let outcome = wait_for("its answer to PING", READY_LIMIT, || async {
            // An ended server will never answer, so there is nothing to wait for.
            let ended = self.process.exit().is_some();
            (ended || self.answers_ping().await).then_some(ended)
        });
        let error = match outcome.await {
            Ok(false) => return Ok(()),
            Ok(true) => "it ended".to_owned(),
            Err(error) => error.to_string(),
        };
        self.process.drain_output().await;
        bail!(
            "`{}` did not start on port {}: {error}\n{}",
            self.process.name(),
            self.port,
            self.process.last_lines(20).join("\n")
        )
    }

    fn launch_on(options: RedisOptions, port: u16, reservation: Option<Port>) -> Result<Self> {
        let RedisOptions {
            store,
            dir,
            server,
            guard,
            sink,
            readers,
            overrides,
        } = options;
        let context = || format!("cannot prepare {}", dir.display());
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&dir)
            .with_context(context)?;
        let dir = fs::canonicalize(&dir).with_context(context)?;
        let credentials = Credentials::load_or_create(&dir)?;
        let (config, users) = (dir.join("redis.conf"), dir.join("users.acl"));
        write_private(&config, CONFIG)?;
        let acl = store.acl(overrides.acl.as_deref())? + &of_readers(readers.as_deref())?;
        write_private(&users, &credentials.render(&acl))?;

        let args = ["-c", START, "start-store.sh"]
            .into_iter()
            .map(OsString::from)
            .chain([server.path.into(), dir.clone().into(), config.into()])
            .chain(["--port".into(), port.to_string().into()])
            .chain([
                "--dir".into(),
                dir.clone().into(),
                "--aclfile".into(),
                users.into(),
            ])
            .chain(
                overrides
                    .settings
                    .into_iter()
                    .flat_map(|(name, value)| [format!("--{name}").into(), value.into()]),
            )
            .collect();
        let env = overrides
            .environment
            .map(|environment| environment(&dir))
            .transpose()?;
        let launch = Launch {
            name: format!("{} redis", store.name()),
            program: "sh".into(),
            args,
            env: env.unwrap_or_default(),
            env_remove: Vec::new(),
        };
        let process = Process::start(launch, guard, sink)?;
        let redis = Self {
            port,
            dir,
            credentials,
            process,
            _reservation: reservation,
        };
        let password = redis.credentials.password(User::Operator);
        write_private(&redis.operator_password_file(), password)?;
        Ok(redis)
    }

    async fn answers_ping(&self) -> bool {
        timeout(PING_LIMIT, self.ping())
            .await
            .is_ok_and(|answer| answer.is_ok())
    }

    async fn ping(&self) -> Result<()> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).await?;
        let request = format!(
            "AUTH operator {}\r\nPING\r\n",
            self.credentials.password(User::Operator)
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = vec![0; b"+OK\r\n+PONG\r\n".len()];
        // A server that still reads its data back answers with an error, which is longer than the
        // expected answer and different.
        stream.read_exact(&mut answer).await?;
        anyhow::ensure!(answer == b"+OK\r\n+PONG\r\n", "not ready");
        Ok(())
    }

    fn lost_its_port(&self) -> bool {
        self.process
            .last_lines(20)
            .iter()
            .any(|line| line.contains("Address already in use"))
    }
}
