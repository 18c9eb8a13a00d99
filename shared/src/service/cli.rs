//! The command line of a service.

use std::fmt::Display;
use std::future::Future;
use std::io::{self, Write};
use std::net::Ipv4Addr;
use std::process::{ExitCode, Termination};
use std::sync::LazyLock;
use std::time::Duration;

use anyhow::Context;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};

use crate::base::config::{Address, Mistakes};
use crate::base::line_writer::{LineWriter, Rule};
use crate::base::shutdown::{self, Shutdown};
use crate::base::telemetry;
use crate::service::process::VERSION;
use crate::service::settings::stores::StoreSettings;
use crate::service::settings::{ServiceConfiguration, ServiceSettings};
use crate::store::Store;
use crate::stream::dead_letter::{self, Dead};

/// What the process does: the subcommands of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Subcommand)]
pub enum Verb {
    /// Serve the HTTP API.
    Serve,
    /// Consume events and run the background tasks.
    Consume,
    /// Exit 0 when the process that runs `serve` (or `consume`) here is ready.
    Healthcheck {
        /// Which process to ask.
        #[arg(default_value = "serve")]
        process: Process,
    },
    /// Print the OpenAPI document.
    Openapi,
    /// Print the AsyncAPI document.
    Asyncapi,
    /// Accept that data is lost for good: use a store that is empty, or older than the other store.
    AdoptStore,
    /// Print the dead letters: the entries that could not be acted on, one line of JSON each. Exit
    /// 0 even if there are no dead letters.
    DeadLetters {
        /// How many to print at most, the oldest first.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
}

/// One of the two processes of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Process {
    /// The HTTP API.
    Serve,
    /// The consumer.
    Consume,
}

#[derive(Parser)]
struct Cli<V: Subcommand> {
    #[command(subcommand)]
    verb: V,
}

/// Exit status of a process that could not do its work.
const FAILURE: u8 = 1;
/// Exit status for a mistake in the command line or the configuration.
const USAGE: u8 = 2;
/// Longest wait of a health check.
const HEALTHCHECK_TIMEOUT: Duration = Duration::from_secs(2);
/// Longest wait until a line is written to standard error, if its reader is slow.
const NOTE_LIMIT: Duration = Duration::from_millis(500);

/// Reads the command line. Ends the process if the command line is wrong, or only asks for help or
/// the version.
pub fn verb<V: Subcommand>(
    name: &'static str,
    about: &'static str,
    version: &'static str,
    environment: String,
) -> V {
    let command = Cli::<V>::command().name(name).about(about).version(version);
    let matches = command.after_help(environment).get_matches();
    Cli::<V>::from_arg_matches(&matches)
        .unwrap_or_else(|error| error.exit())
        .verb
}

/// How many threads a process has for its work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Threads {
    /// A single thread, on which no task has to wake another thread. To do more work, start more
    /// processes.
    One,
    /// Half as many threads as cores. Four processes and two Redis servers commonly share a
    /// machine, and fewer threads then do more work.
    HalfTheCores,
}

impl Process {
    /// Where the process answers probes.
    pub fn address<'a>(
        self,
        common: &'a ServiceSettings,
        stores: &'a StoreSettings,
    ) -> &'a Address {
        match self {
            Self::Serve => &common.http_addr,
            Self::Consume => &stores.consumer_http_addr,
        }
    }
}

impl Verb {
    /// The threads that the process needs.
    pub fn threads(self) -> Threads {
        match self {
            Self::Serve => Threads::HalfTheCores,
            _ => Threads::One,
        }
    }
}

/// Runs `start` with the configuration. Turns mistakes and errors into a message and an exit
/// status.
pub fn run<C: ServiceConfiguration, T, F>(
    threads: Threads,
    config: Result<C, Mistakes>,
    start: impl FnOnce(C) -> F,
) -> ExitCode
where
    T: Termination,
    F: Future<Output = anyhow::Result<T>>,
{
    let config = match config {
        Ok(config) => config,
        Err(mistakes) => return fail(USAGE, &mistakes),
    };
    keep_pages_small();
    let runtime = runtime(threads, config.common().worker_threads);
    let result = runtime
        .context("the system gives no threads")
        .and_then(|runtime| {
            let result = runtime.block_on(start(config));
            // Does not wait for blocking tasks: a host name that does not resolve would delay the
            // end.
            runtime.shutdown_background();
            result
        });
    telemetry::finish();
    match result {
        Ok(done) => done.report(),
        Err(error) => fail(FAILURE, &format!("{error:#}")),
    }
}

/// Starts logging, and listens for signals: the first step of a process that keeps running.
pub fn begin(common: &ServiceSettings) -> anyhow::Result<Shutdown> {
    telemetry::init(common.log_format, &common.log_filter, common.log_in_color)
        .context("the system gives no thread for the log")?;
    let ServiceSettings {
        service, commit, ..
    } = common;
    tracing::info!(service, version = VERSION, commit, "starting");
    Ok(shutdown::on_signal()?)
}

/// Asks the process that listens on `address` whether it is ready.
pub async fn healthcheck(address: &Address) -> anyhow::Result<()> {
    let mut address = address.resolve().await?;
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    let client = reqwest::Client::builder()
        .timeout(HEALTHCHECK_TIMEOUT)
        .no_proxy()
        .build()?;
    let answer = client.get(format!("http://{address}/readyz")).send().await;
    let answer = answer
        .ok()
        .with_context(|| format!("not ready: no process answers on {address}"))?;
    let status = answer.status();
    let reason = answer.text().await.unwrap_or_default();
    anyhow::ensure!(status.is_success(), "not ready: {}", reason.trim_end());
    Ok(())
}

/// Prints a result on standard output, and ends its last line. It is no error if the reader has
/// closed the pipe, as `| head` does.
pub fn print(text: &str) -> anyhow::Result<()> {
    let mut stdout = io::stdout().lock();
    let printed = writeln!(stdout, "{}", text.trim_end()).and_then(|()| stdout.flush());
    match printed {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::StorageFull => {
            anyhow::bail!("cannot write to standard output: there is no room left")
        }
        printed => printed.context("cannot write to standard output"),
    }
}

/// Prints the dead letters of a store, and their number on standard error.
pub async fn dead_letters(store: &Store, limit: usize) -> anyhow::Result<()> {
    let dead = Dead::of(store).await?;
    dead_letter::list(store, limit, |line| print(&line)).await?;
    match dead.count {
        0 => note(&"there are no dead letters"),
        count => note(&format!(
            "{count} dead letters, the oldest for {}",
            dead.age()
        )),
    }
    Ok(())
}

/// Writes a line for people to standard error. If its reader is stuck, the line is lost after
/// `NOTE_LIMIT`.
pub fn note(text: &dyn Display) {
    static STDERR: LazyLock<io::Result<LineWriter>> =
        LazyLock::new(|| LineWriter::start(io::stderr(), |_, _| {}));
    let line = format!("{text}\n");
    match &*STDERR {
        Ok(stderr) => {
            stderr.push(line.as_bytes(), Rule::Droppable);
            stderr.flush(NOTE_LIMIT);
        }
        // The writer's thread did not start, so this thread writes. An error cannot be reported.
        Err(_) => drop(io::stderr().write_all(line.as_bytes())),
    }
}

fn fail(status: u8, error: &dyn Display) -> ExitCode {
    note(error);
    ExitCode::from(status)
}

/// Turns huge pages off for this process. The allocator touches small parts of many pages, so huge
/// pages would double its resident memory.
#[cfg(target_os = "linux")]
fn keep_pages_small() {
    // If the system refuses, the process only needs more memory.
    let _ = nix::sys::prctl::set_thp_disable(true);
}

#[cfg(not(target_os = "linux"))]
fn keep_pages_small() {}

/// The runtime of a process, with `wanted` threads, or with as many as the process needs.
///
/// If the process needs a single thread, that is the main thread. It shares no queue, and runs
/// tasks in the order in which they become ready. So the Redis commands of all tasks that are ready
/// go out in one write.
fn runtime(threads: Threads, wanted: Option<usize>) -> io::Result<tokio::runtime::Runtime> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let count = match threads {
        Threads::HalfTheCores if cores / 2 > 1 => Some(cores / 2),
        _ => None,
    };
    match wanted.or(count) {
        Some(count) => tokio::runtime::Builder::new_multi_thread()
            .worker_threads(count)
            .enable_all()
            .build(),
        None => tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build(),
    }
}
