//! How other verbs reach the system that `run-all` runs: `run-all` writes a note when the system is
//! ready, and removes the note at its end. Each set of ports has a note of its own.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::{fs, iter};

use anyhow::{Context, Result, bail};

use crate::binaries::Binaries;
use crate::credentials::write_private;
use crate::ports::Ports;
use crate::process::Launch;
use crate::project;
use crate::role::{Role, SETTINGS};

/// The folder of the notes, in the data folder of the project.
const FOLDER: &str = "running";

/// The note of a running system. Removed when dropped.
#[derive(Debug)]
pub struct Note(PathBuf);

/// The program of payments, and the settings of `payments serve`, for further verbs of payments.
#[derive(Debug, PartialEq, Eq)]
pub struct Payments {
    /// The program.
    pub program: PathBuf,
    /// Its settings.
    pub env: Vec<(String, String)>,
}

impl Note {
    /// Writes a note with the settings of `payments serve` on these ports. The settings include
    /// passwords, so only the owner can read the file.
    pub fn write(ports: &Ports, binaries: &Binaries, stores: [String; 2]) -> Result<Self> {
        Self::write_to(
            &path(&project::data_dir(), ports),
            &Role::PaymentsServe.launch(binaries, ports, stores),
        )
    }

    fn write_to(path: &Path, launch: &Launch) -> Result<Self> {
        let folder = path.parent().context("a note lies in a folder")?;
        fs::create_dir_all(folder)
            .with_context(|| format!("cannot create {}", folder.display()))?;
        let program = std::path::absolute(&launch.program)?;
        let given = SETTINGS
            .iter()
            .filter(|name| !launch.env.iter().any(|(set, _)| set == *name));
        let given = given.flat_map(|name| [(*name).to_owned(), format!("{name}_FILE")]);
        let given = given.filter_map(|name| {
            let value = project::variable(&name)?.into_string().ok()?;
            Some((name, value))
        });
        let settings = launch.env.iter().cloned().chain(given);
        let lines = settings.map(|(name, value)| format!("{name}={value}"));
        let lines: Vec<String> = iter::once(program.display().to_string())
            .chain(lines)
            .collect();
        write_private(path, &lines.join("\n"))?;
        Ok(Self(path.to_owned()))
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// How to run a verb of payments beside the system on these ports. `None` if no note exists.
pub fn payments(ports: &Ports) -> Result<Option<Payments>> {
    read(&path(&project::data_dir(), ports))
}

fn read(path: &Path) -> Result<Option<Payments>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        text => text.with_context(|| format!("cannot read {}", path.display()))?,
    };
    let mut lines = text.lines();
    let Some(program) = lines.next() else {
        bail!("{} is damaged: remove it", path.display())
    };
    let setting = |line: &str| {
        let (name, value) = line.split_once('=')?;
        Some((name.to_owned(), value.to_owned()))
    };
    Ok(Some(Payments {
        program: program.into(),
        env: lines.filter_map(setting).collect(),
    }))
}

fn path(data: &Path, ports: &Ports) -> PathBuf {
    data.join(FOLDER).join(ports.payments_http.to_string())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_note_tells_program_and_settings_to_its_owner_alone_and_goes_with_the_system() {
        let folder = tempfile::tempdir().unwrap();
        let path = path(folder.path(), &Ports::standard(7).unwrap());
        assert_eq!(read(&path).unwrap(), None);
        let env = vec![(
            "PAYMENTS_REDIS_URL".to_owned(),
            "redis://payments:a=b@h:1".to_owned(),
        )];
        let launch = Launch {
            name: "payments serve".to_owned(),
            program: "/bin/payments".into(),
            args: Vec::new(),
            env: env.clone(),
            env_remove: Vec::new(),
        };
        let note = Note::write_to(&path, &launch).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let found = read(&path).unwrap().unwrap();
        assert_eq!(found.program, Path::new("/bin/payments"));
        assert_eq!(found.env[..1], env);
        drop(note);
        assert_eq!(read(&path).unwrap(), None);
    }
}
