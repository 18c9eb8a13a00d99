//! A private PostgreSQL server.
//!
//! It listens on 127.0.0.1 only, and asks for a random password (SCRAM-SHA-256). A server for a test
//! leaves out `fsync`: a killed server loses nothing by that, only a crashed machine would.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;
use std::{fs, thread};

use anyhow::{Context, Result, bail, ensure};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use stack::credentials::{random_password, write_private};
use stack::guard::Farewell;
use stack::process::{Launch, Process};
use stack::subprocess;
use stack::wait::wait_for;
use tokio::sync::Mutex;
use tokio::task::spawn_blocking;
use tokio::time::timeout;

use crate::place::Place;
use run_as::RunAs;

pub use install::{Finder, Install};

mod install;
mod run_as;

/// The user who may do everything.
const USER: &str = "operator";
/// The file with its password, in the folder of the server.
const PASSWORD: &str = "password";
/// The settings of every server. It has no socket file: nothing beside the port leads to it.
const SETTINGS: [&str; 5] = [
    "listen_addresses=127.0.0.1",
    "unix_socket_directories=",
    "max_connections=200",
    "shared_buffers=32MB",
    "log_line_prefix=",
];
/// Further settings of a server whose data need not survive a crash of the machine.
const FAST_SETTINGS: [&str; 2] = ["fsync=off", "full_page_writes=off"];
/// Log lines of a server that was started too early: processes of the killed server still run.
const TOO_EARLY: [&str; 3] = [
    "pre-existing shared memory block",
    "Is another postmaster",
    // Processes of the killed server say this, also in the log of the next one.
    "unexpected postmaster exit",
];

const INITDB_LIMIT: Duration = Duration::from_mins(1);
/// The limit of a start, which includes recovery after a kill.
const READY_LIMIT: Duration = Duration::from_mins(1);
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// The longest wait in `drop` for the end of all processes of the server.
const DROP_LIMIT: Duration = Duration::from_secs(2);
const CONNECT_LIMIT: Duration = Duration::from_secs(5);
const POLL: Duration = Duration::from_millis(5);
/// The number of log lines that an error quotes.
const QUOTED_LINES: usize = 20;

/// A running server. It ends when dropped.
pub struct Postgres {
    process: Process,
    password: String,
    place: Place,
}

impl Postgres {
    /// Starts a server for a test.
    pub async fn start() -> Result<Self> {
        Self::start_in(Place::private().await?).await
    }

    /// One server for all tests of this process that run at the same time. A test that kills its
    /// server starts one of its own.
    pub async fn shared() -> Result<Arc<Self>> {
        static RUNNING: Mutex<Weak<Postgres>> = Mutex::const_new(Weak::new());
        let mut running = RUNNING.lock().await;
        if let Some(postgres) = running.upgrade() {
            return Ok(postgres);
        }
        let postgres = Arc::new(Self::start().await?);
        *running = Arc::downgrade(&postgres);
        Ok(postgres)
    }

    /// Starts a server in this place, with its data and password if it was there before.
    pub async fn start_in(place: Place) -> Result<Self> {
        let (place, launch, password) = spawn_blocking(move || prepare(place)).await??;
        let process = Process::start(launch, place.guard.clone(), place.sink.clone())?;
        let postgres = Self {
            process,
            password,
            place,
        };
        postgres.wait_ready().await?;
        Ok(postgres)
    }

    /// The address of the first database, for the user who may do everything.
    pub fn url(&self) -> String {
        self.url_of("postgres")
    }

    /// Makes a database for one test, and answers its address.
    pub async fn create_database(&self) -> Result<String> {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let name = format!("database_{}", NEXT.fetch_add(1, Ordering::Relaxed));
        self.ensure_database(&name).await
    }

    /// The address of the database of that name, which is made if it is missing.
    pub async fn ensure_database(&self, name: &str) -> Result<String> {
        let mut connection = PgConnection::connect(&self.url()).await?;
        let query = sqlx::query("SELECT 1 FROM pg_database WHERE datname = $1").bind(name);
        if query.fetch_optional(&mut connection).await?.is_none() {
            // A name cannot be bound. This one comes from a program.
            let create = format!("CREATE DATABASE \"{name}\" TEMPLATE template0");
            sqlx::raw_sql(AssertSqlSafe(create))
                .execute(&mut connection)
                .await?;
        }
        connection.close().await?;
        Ok(self.url_of(name))
    }

    /// The file with the password of the user who may do everything.
    pub fn password_file(&self) -> PathBuf {
        self.place.dir.join(PASSWORD)
    }

    /// The port on the loopback interface.
    pub fn port(&self) -> u16 {
        self.place.port
    }

    /// Its folder.
    pub fn dir(&self) -> &Path {
        &self.place.dir
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

    /// Ends all sessions, writes everything to the disk, and ends.
    pub async fn stop(&self) -> Result<()> {
        // SIGTERM would wait until every client has left.
        self.signal(Signal::SIGINT);
        let ended = self.process.wait(STOP_LIMIT).await;
        if ended.is_err() {
            self.process.kill();
        }
        ended.map(drop)
    }

    fn url_of(&self, database: &str) -> String {
        let (password, port) = (&self.password, self.place.port);
        format!("postgres://{USER}:{password}@127.0.0.1:{port}/{database}")
    }

    fn signal(&self, signal: Signal) {
        if self.process.is_running() {
            // The process was not waited for yet, so the id is still its own.
            let _ = kill(Pid::from_raw(self.process.pid().cast_signed()), signal);
        }
    }

    /// Waits until it accepts a session. A server that was killed leaves processes that end a moment
    /// later. A server that is started before that ends at once, and is started again.
    async fn wait_ready(&self) -> Result<()> {
        let url = self.url();
        let answered = wait_for("a session", READY_LIMIT, || async {
            if self.process.exit().is_some() {
                self.process.drain_output().await;
                let lines = self.process.last_lines(QUOTED_LINES).join("\n");
                let early = TOO_EARLY.iter().any(|text| lines.contains(text));
                let revived = early && self.process.revive().is_ok();
                return (!revived).then_some(false);
            }
            let session = timeout(CONNECT_LIMIT, PgConnection::connect(&url)).await;
            match session {
                Ok(Ok(session)) => session.close().await.is_ok().then_some(true),
                _ => None,
            }
        });
        if let Ok(true) = answered.await {
            return Ok(());
        }
        let lines = self.process.last_lines(QUOTED_LINES).join("\n");
        bail!(
            "`postgres` did not start on port {}\n{lines}",
            self.place.port
        )
    }
}

impl Drop for Postgres {
    /// Ends the server and all its processes at once. A SIGKILL alone would leave them in the folder
    /// for a moment, while the folder is removed.
    fn drop(&mut self) {
        self.signal(Signal::SIGQUIT);
        self.process.resume();
        let polls = DROP_LIMIT.as_millis() / POLL.as_millis();
        for _ in 0..polls {
            if !self.process.is_running() {
                return;
            }
            thread::sleep(POLL);
        }
    }
}

/// Makes the data folder if it is missing, and says how to start the server.
fn prepare(place: Place) -> Result<(Place, Launch, String)> {
    let install = install::shared()?;
    let run_as = RunAs::for_folder(&place.dir)?;
    let (data, secret) = (place.dir.join("data"), place.dir.join(PASSWORD));
    let password = match fs::read_to_string(&secret) {
        Ok(password) if data.join("PG_VERSION").is_file() => password,
        _ => {
            let password = random_password()?;
            write_private(&secret, &password)?;
            run_as.own(&place.dir)?;
            run_as.own(&secret)?;
            init(&install, &run_as, &place, &data, &secret)?;
            password
        }
    };
    let mut args: Vec<OsString> = vec!["-D".into(), data.into()];
    args.extend(["-p".into(), place.port.to_string().into()]);
    let fast = FAST_SETTINGS.iter().filter(|_| !place.durable);
    for setting in SETTINGS.iter().chain(fast) {
        args.extend(["-c".into(), setting.into()]);
    }
    let (program, args) = run_as.command(&place.dir, place.guard.farewell, install.postgres, args);
    let launch = Launch {
        name: "postgres".to_owned(),
        program,
        args,
        ..Launch::default()
    };
    Ok((place, launch, password))
}

/// Runs `initdb`. It gives the folder its final name last, so that a crash before that leaves a
/// folder which the next start removes.
fn init(
    install: &Install,
    run_as: &RunAs,
    place: &Place,
    data: &Path,
    secret: &Path,
) -> Result<()> {
    let unfinished = place.dir.join("unfinished");
    for leftover in [unfinished.as_path(), data] {
        if leftover.exists() {
            fs::remove_dir_all(leftover)
                .with_context(|| format!("cannot remove {}", leftover.display()))?;
        }
    }
    let mut args: Vec<OsString> = vec!["-D".into(), (&unfinished).into()];
    args.extend(["--pwfile".into(), secret.into()]);
    args.extend(["--username", USER, "--auth", "scram-sha-256"].map(Into::into));
    args.extend(["--encoding", "UTF8", "--no-locale"].map(Into::into));
    if !place.durable {
        args.push("--no-sync".into());
    }
    let (program, args) = run_as.command(&place.dir, Farewell::Kill, install.initdb.clone(), args);
    let mut command = Command::new(program);
    command.args(args).current_dir(&place.dir);
    let output = subprocess::run(&mut command, INITDB_LIMIT)?;
    ensure!(
        output.status.success(),
        "initdb failed: {}",
        output.stderr.trim()
    );
    fs::rename(&unfinished, data).context("cannot name the data folder")
}
