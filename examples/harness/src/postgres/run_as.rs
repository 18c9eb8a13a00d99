//! PostgreSQL refuses to run as root. If this process is root, the server runs as another user.

use std::ffi::OsString;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use stack::guard::Farewell;
use stack::subprocess;

/// Users that exist for servers, best first.
const USERS: [&str; 2] = ["postgres", "nobody"];
const ID_LIMIT: Duration = Duration::from_secs(10);
/// Starts a program in a folder that its user can read: the folder of this process may be closed.
const IN_FOLDER: &str = "cd \"$0\" && exec \"$@\"";

/// The user of the server's processes.
pub(super) enum RunAs {
    /// The user of this process.
    Self_,
    /// Another user: this process is root.
    Other { user: u32, group: u32 },
}

impl RunAs {
    /// The user for a server whose folder this process has made.
    pub(super) fn for_folder(dir: &Path) -> Result<Self> {
        // The folder may belong to the user of an earlier run, so a file of this process tells.
        let probe = tempfile::tempfile_in(dir)?;
        if probe.metadata()?.uid() != 0 {
            return Ok(Self::Self_);
        }
        let known = USERS
            .iter()
            .find_map(|name| Some((id("-u", name)?, id("-g", name)?)));
        let (user, group) = known.context(
            "PostgreSQL refuses to run as root, and this machine has no user `postgres` or `nobody`",
        )?;
        Ok(Self::Other { user, group })
    }

    /// Gives a file or folder to the user.
    pub(super) fn own(&self, path: &Path) -> Result<()> {
        match self {
            Self::Self_ => Ok(()),
            Self::Other { user, group } => chown(path, Some(*user), Some(*group))
                .with_context(|| format!("cannot give {} away", path.display())),
        }
    }

    /// The command that runs `program` as the user.
    pub(super) fn command(
        &self,
        dir: &Path,
        farewell: Farewell,
        program: PathBuf,
        args: Vec<OsString>,
    ) -> (PathBuf, Vec<OsString>) {
        let Self::Other { user, group } = self else {
            return (program, args);
        };
        let mut all: Vec<OsString> = vec!["-c".into(), IN_FOLDER.into(), dir.into()];
        all.extend(["setpriv".into(), "--clear-groups".into()]);
        all.push(format!("--reuid={user}").into());
        all.push(format!("--regid={group}").into());
        // A change of the user takes back the request for a signal at the death of the parent.
        let signal = farewell.word().to_uppercase();
        all.push(format!("--pdeathsig={signal}").into());
        all.push(program.into());
        all.extend(args);
        ("sh".into(), all)
    }
}

fn id(flag: &str, name: &str) -> Option<u32> {
    let output = subprocess::run(Command::new("id").args([flag, name]), ID_LIMIT).ok()?;
    output.stdout.trim().parse().ok()
}
