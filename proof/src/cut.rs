//! Append-only files that end in the middle of what a function wrote.
//!
//! A server that dies while it writes leaves only the beginning of a write. [`LogLoader`] is a
//! second server with the deployed configuration. It reads the file of a call, cut at every byte
//! that the call appended. If the call appended more than `CUT_EVERYWHERE` bytes, it is cut near
//! the start of each command and at random other bytes. After each cut, the server has to have all
//! of the call or none of it.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Error, Result};
use shared::redis::{Command, Redis};
use stack::guard::Farewell;
use stack::ports::{self, Port};
use stack::private_store::PrivateStore;
use stack::process::{Launch, Process};
use stack::project::variable;
use stack::wait::wait_until;
use stack::{binaries, server};
use tempfile::TempDir;
use tokio::net::TcpStream;

use crate::aof;
use crate::atomicity::{SpoilRig, Subject};
use crate::twin::snapshot::{Snapshot, read_all};

/// A log of up to this number of bytes is cut at each byte, unless `CUT_EVERYWHERE` says otherwise.
const CUT_EVERYWHERE: usize = 1_200;
/// A longer log is cut within `NEAR` bytes of the start of each command, and at `SAMPLE` random
/// other bytes.
const NEAR: usize = 3;
const SAMPLE: usize = 250;
/// Some servers exit when a log is cut, and have to be started again for each cut. For them only
/// every `COSTLY_STEP`-th offset is tried.
const COSTLY_STEP: usize = 8;
/// The number of cuts of each call that a server also reads at its start.
const STARTS: usize = 3;
/// A folder whose files are kept in memory, if the system has it.
const MEMORY: &str = "/dev/shm";
const READY_LIMIT: Duration = Duration::from_secs(30);

/// A server that reads append-only files.
pub struct LogLoader {
    process: Process,
    client: Redis,
    log: PathBuf,
    port: Port,
    /// Whether the server goes on after `DEBUG LOADAOF` of a cut file.
    survives: bool,
    _dir: TempDir,
}

/// The cuts of `bytes` appended bytes: the number that left nothing of the call, and the number
/// that left all of it.
#[derive(Default)]
struct Cuts {
    bytes: usize,
    none: usize,
    all: usize,
}

impl LogLoader {
    /// Starts the server.
    pub async fn start(private: &PrivateStore) -> Result<Self> {
        // Thousands of files would keep the disk busy for all other tests.
        let dir = tempfile::tempdir_in(MEMORY).or_else(|_| tempfile::tempdir())?;
        let found = tokio::task::spawn_blocking(|| (server::shared(), binaries::shared()));
        let (server, binaries) = found.await?;
        let port = ports::free()?;
        let mut args = vec![private.dir().join("redis.conf").into()];
        // This server only reads, so it does not have to wait for the disk.
        let options = [("--enable-debug-command", "local"), ("--appendfsync", "no")];
        args.extend(
            options
                .iter()
                .flat_map(|(name, value)| [name.into(), value.into()]),
        );
        args.extend(["--port".into(), port.number().to_string().into()]);
        args.extend(["--dir".into(), dir.path().into()]);
        let launch = Launch {
            name: "reader of logs".to_owned(),
            program: server?.path,
            args,
            ..Launch::default()
        };
        let guard = binaries?.guard(Farewell::Kill);
        let process = Process::start(launch, guard, None)?;
        let client = connect(&port).await?;
        let log = aof::newest_part_in(dir.path())?;
        Ok(Self {
            process,
            client,
            log,
            port,
            survives: true,
            _dir: dir,
        })
    }

    /// Cuts the file of each call at many offsets, and reports what was left.
    ///
    /// # Panics
    ///
    /// When the server has a part of a call after a cut.
    pub async fn cut_all(
        &mut self,
        bench: &SpoilRig<'_>,
        suite: &str,
        subjects: &[Subject],
    ) -> Result<()> {
        for subject in subjects {
            let Cuts { bytes, none, all } = self.cut(bench, subject).await?;
            assert!(none > 0 && all > 0, "{none} cuts left nothing, {all} all");
            // Written past the test harness, which captures `print!`.
            let _ = writeln!(
                std::io::stderr(),
                "{suite}: {} cut in {} places of {bytes} bytes: {none} times none of it, {all} all",
                subject.invocation.function,
                none + all
            );
        }
        Ok(())
    }

    /// Makes a call, and cuts its file at many offsets.
    async fn cut(&mut self, bench: &SpoilRig<'_>, subject: &Subject) -> Result<Cuts> {
        let function = subject.invocation.function;
        let log = aof::newest_part_in(bench.private.dir())?;
        let start = length(&log)?;
        bench.reset().await;
        let (none, from) = (
            read_all(&bench.private.operator).await,
            length(&log)? - start,
        );
        bench.invoke(&subject.invocation).await.context(function)?;
        let all = read_all(&bench.private.operator).await;
        assert_ne!(none, all, "{function} does nothing");

        let log = &fs::read(&log)?[start..];
        let mut cuts = Cuts {
            bytes: log.len() - from,
            ..Cuts::default()
        };
        let mut judge = |found: &Snapshot, offset: usize| {
            let place = format!(
                "{function}, cut {} bytes behind its beginning",
                offset - from
            );
            match (*found == none, *found == all) {
                (true, _) => cuts.none += 1,
                (_, true) => cuts.all += 1,
                _ => panic!("{place}: {}", String::from_utf8_lossy(&log[from..offset])),
            }
            let whole = offset == log.len();
            assert!(
                !whole || *found == all,
                "{place}: it was whole, and is gone"
            );
        };
        let offsets = offsets(log, from);
        for (number, &offset) in offsets.iter().enumerate() {
            let last = offset == log.len();
            if self.survives || last || number % COSTLY_STEP == 0 {
                judge(&self.read(&log[..offset]).await?, offset);
            }
        }
        for _ in 0..STARTS {
            let offset = fastrand::usize(from..=log.len());
            fs::write(&self.log, &log[..offset])?;
            self.restart().await?;
            judge(&read_all(&self.client).await, offset);
        }
        Ok(cuts)
    }

    /// Lets the server read a file in place of all its data.
    async fn read(&mut self, log: &[u8]) -> Result<Snapshot> {
        fs::write(&self.log, log)?;
        // `DEBUG LOADAOF` of a cut file is an error for some versions, and ends one of them. At a
        // start every version reads the file.
        if self.survives {
            let _ = self.client.run(Command::new("DEBUG").arg("LOADAOF")).await;
            self.survives = self.client.run(Command::new("PING")).await.is_ok();
        }
        if !self.survives {
            fs::write(&self.log, log)?;
            self.restart().await?;
        }
        Ok(read_all(&self.client).await)
    }

    async fn restart(&mut self) -> Result<()> {
        self.process.restart()?;
        self.client = connect(&self.port).await?;
        Ok(())
    }
}

/// The offsets to cut at: all from `from` on, or those of `NEAR` and `SAMPLE` for a long file.
fn offsets(log: &[u8], from: usize) -> Vec<usize> {
    let all = from..=log.len();
    let everywhere = variable("CUT_EVERYWHERE").and_then(|text| text.to_str()?.parse().ok());
    if log.len() - from <= everywhere.unwrap_or(CUT_EVERYWHERE) {
        return all.collect();
    }
    let borders: Vec<usize> = all
        .clone()
        .filter(|&at| at == log.len() || log[at..].starts_with(b"*"))
        .collect();
    let near = |at: usize| borders.iter().any(|border| border.abs_diff(at) <= NEAR);
    let (mut chosen, mut others): (Vec<_>, Vec<_>) = all.partition(|&at| near(at));
    fastrand::shuffle(&mut others);
    chosen.extend(others.into_iter().take(SAMPLE));
    chosen.sort_unstable();
    chosen
}

/// Connects once the server listens: a client that finds no server waits long before it tries
/// again.
async fn connect(port: &Port) -> Result<Redis> {
    let listens = || async {
        TcpStream::connect(("127.0.0.1", port.number()))
            .await
            .is_ok()
    };
    wait_until("a reader of logs", READY_LIMIT, listens).await?;
    let url = format!("redis://127.0.0.1:{}", port.number());
    let client = Redis::worker(&url.parse().map_err(Error::msg)?);
    let answers = || async { client.run(Command::new("PING")).await.is_ok() };
    wait_until("its answer", READY_LIMIT, answers).await?;
    Ok(client)
}

fn length(file: &Path) -> Result<usize> {
    Ok(usize::try_from(fs::metadata(file)?.len())?)
}
