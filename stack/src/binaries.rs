//! Builds the service binaries with the profile of the running program, and answers their paths.

use std::collections::HashMap;
use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::{Context, Result, anyhow, ensure};

use crate::guard::{Farewell, Guard};
use crate::{project, subprocess};

/// The limit of a build. It only ends a build that hangs: a full release build takes minutes on a
/// small machine.
const BUILD_LIMIT: Duration = Duration::from_mins(45);

/// The programs that are built. The workspace has more, which would make the build longer.
const PROGRAMS: [&str; 3] = ["inventory", "payments", "stack"];

/// The paths of the three programs of a system.
#[derive(Clone, Debug)]
pub struct Binaries {
    /// The inventory service.
    pub inventory: PathBuf,
    /// The payments service.
    pub payments: PathBuf,
    /// This crate's own binary, which starts children that cannot outlive it (see
    /// [`crate::guard`]).
    pub stack: PathBuf,
    /// The folder with the ACL files of the services, if the services are of another revision.
    pub acl: Option<PathBuf>,
}

/// How the build is done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Build {
    /// Release instead of the running program's own profile.
    pub release: bool,
    /// Show cargo's progress. Otherwise cargo's output is shown only if the build fails.
    pub progress: bool,
}

/// The binaries of this process, which are built once and without output.
pub fn shared() -> Result<Binaries> {
    static BUILT: OnceLock<Result<Binaries, String>> = OnceLock::new();
    BUILT
        .get_or_init(|| Build::default().run().map_err(|error| format!("{error:#}")))
        .clone()
        .map_err(|error| anyhow!(error))
}

impl Binaries {
    /// How children are started that get this signal at the death of this process.
    pub fn guard(&self, farewell: Farewell) -> Guard {
        Guard {
            stack: self.stack.clone(),
            farewell,
        }
    }
}

impl Build {
    /// Builds the binaries, and shows cargo's progress.
    pub fn show(release: bool) -> Result<Binaries> {
        let progress = true;
        Self { release, progress }.run()
    }

    /// Builds the binaries, or takes them from the folder `PAS_DE_DEUX_BIN_DIR` if that is set.
    pub fn run(self) -> Result<Binaries> {
        let exe = this_program()?;
        match project::variable("PAS_DE_DEUX_BIN_DIR") {
            Some(dir) => system(ready(Path::new(&dir), &exe, &PROGRAMS)?),
            None => system(self.own(&exe, &PROGRAMS, &[])?),
        }
    }

    /// Builds the sources in the folder `root` into the folder `target`.
    pub fn run_in(self, root: &Path, target: &Path) -> Result<Binaries> {
        let profile = if self.release { "release" } else { "dev" };
        system(self.cargo(root, Some(target), profile, &PROGRAMS, &[])?)
    }

    /// Builds any programs of the workspace, or takes them from the folder `PAS_DE_DEUX_BIN_DIR` if
    /// that is set. Answers their paths by name. The build has the features of the whole workspace.
    pub fn programs(self, names: &[&str]) -> Result<HashMap<String, PathBuf>> {
        let exe = this_program()?;
        match project::variable("PAS_DE_DEUX_BIN_DIR") {
            Some(dir) => ready(Path::new(&dir), &exe, names),
            None => self.own(&exe, names, &["--workspace"]),
        }
    }

    fn own(self, exe: &Path, names: &[&str], more: &[&str]) -> Result<HashMap<String, PathBuf>> {
        let profile_dir = profile_dir(exe);
        let profile = if self.release {
            "release"
        } else {
            profile_of(profile_dir)
        };
        self.cargo(&project::root(), profile_dir.parent(), profile, names, more)
    }

    fn cargo(
        self,
        root: &Path,
        target: Option<&Path>,
        profile: &str,
        names: &[&str],
        more: &[&str],
    ) -> Result<HashMap<String, PathBuf>> {
        let mut command =
            Command::new(project::variable("CARGO").unwrap_or_else(|| "cargo".into()));
        command.current_dir(root).arg("build").args(more);
        for name in names {
            command.args(["--bin", name]);
        }
        command.args([
            "--message-format",
            "json-render-diagnostics",
            "--profile",
            profile,
        ]);
        if let Some(target) = target {
            command.arg("--target-dir").arg(target);
        }

        let stderr = if self.progress {
            Stdio::inherit()
        } else {
            Stdio::piped()
        };
        let output = subprocess::run_with_stderr(&mut command, BUILD_LIMIT, stderr)?;
        ensure!(
            output.status.success(),
            "the build failed\n{}",
            output.stderr.trim_end()
        );
        let built = executables(&output.stdout);
        for name in names {
            ensure!(built.contains_key(*name), "the build made no `{name}`");
        }
        Ok(built)
    }
}

/// The programs of a system among those that were built.
fn system(mut built: HashMap<String, PathBuf>) -> Result<Binaries> {
    let mut take = |name: &str| built.remove(name).context("a program of the system");
    Ok(Binaries {
        inventory: take("inventory")?,
        payments: take("payments")?,
        stack: take("stack")?,
        acl: None,
    })
}

fn this_program() -> Result<PathBuf> {
    env::current_exe().context("cannot tell the path of this program")
}

/// Programs that were built before. The folder has all of them. It may do without `stack` if the
/// running program is `stack`, or has it in its own folder.
fn ready(dir: &Path, exe: &Path, names: &[&str]) -> Result<HashMap<String, PathBuf>> {
    let own = if exe.file_name().is_some_and(|name| name == "stack") {
        exe.to_path_buf()
    } else {
        profile_dir(exe).join("stack")
    };
    let existing = |name: &&str| {
        let other = (*name == "stack").then(|| own.clone());
        let mut places = [dir.join(name)].into_iter().chain(other);
        let found = places.find(|path| path.is_file()).with_context(|| {
            let dir = dir.display();
            format!(
                "`{name}` is missing in {dir}, where PAS_DE_DEUX_BIN_DIR says that the programs \
                 are. Build all of them with `cargo build --workspace --bin {}` and put them there, or unset \
                 the variable",
                names.join(" --bin ")
            )
        })?;
        anyhow::Ok(((*name).to_owned(), std::path::absolute(found)?))
    };
    names.iter().map(existing).collect()
}

/// The folder into which a profile is built. Programs are in this folder, tests and examples one
/// level deeper.
fn profile_dir(exe: &Path) -> &Path {
    let dir = exe.parent().unwrap_or(Path::new("."));
    match dir.file_name() {
        Some(name) if name == "deps" || name == "examples" => dir.parent().unwrap_or(dir),
        _ => dir,
    }
}

fn profile_of(dir: &Path) -> &str {
    match dir.file_name().and_then(|name| name.to_str()) {
        Some("debug") | None => "dev",
        Some(name) => name,
    }
}

/// The path of each program, from cargo's messages: one JSON line for each artifact.
fn executables(messages: &str) -> HashMap<String, PathBuf> {
    messages
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter_map(|message| {
            let name = message["target"]["name"].as_str()?;
            Some((
                name.to_owned(),
                PathBuf::from(message["executable"].as_str()?),
            ))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_program_that_is_missing_is_named_and_the_error_says_how_to_build_it() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let chaos = elsewhere.path().join("chaos");
        for name in PROGRAMS {
            let error = ready(folder.path(), &chaos, &PROGRAMS)
                .unwrap_err()
                .to_string();
            assert!(
                error.starts_with(&format!("`{name}` is missing in ")),
                "{error}"
            );
            assert!(
                error
                    .contains("cargo build --workspace --bin inventory --bin payments --bin stack")
            );
            fs::write(folder.path().join(name), "").unwrap();
        }
        let found = ready(folder.path(), &chaos, &PROGRAMS).unwrap();
        assert_eq!(found["stack"], folder.path().join("stack"));
        fs::rename(&found["stack"], elsewhere.path().join("stack")).unwrap();
        let found = ready(folder.path(), &chaos, &PROGRAMS).unwrap();
        assert_eq!(found["stack"], elsewhere.path().join("stack"));
    }
}
