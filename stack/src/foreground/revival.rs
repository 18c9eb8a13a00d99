//! Starts ended processes again, with growing pauses, and reports why each ended.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use nix::sys::statvfs::statvfs;
use tokio::time::Instant;

use crate::health::{QUOTED_LINES, obituary};
use crate::note::note;
use crate::process::Process;

/// The pause between the end of a process and its restart. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
/// The longest pause, so that the system runs again soon after its disk has room.
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
/// After a process has run this long, its next end is followed by the first pause again.
const STEADY: Duration = Duration::from_secs(10);
/// Several ends of one process within this time are reported once.
const TELL_PAUSE: Duration = Duration::from_secs(30);
/// Log lines of a server that would end in the same way after every start.
const HOPELESS: [&str; 7] = [
    "Failed listening on",
    "FATAL CONFIG FILE ERROR",
    "FATAL AOF MANIFEST FILE ERROR",
    "Bad file format reading the append only file",
    "Wrong signature trying to load DB",
    "Can't handle RDB format version",
    "corrupted cluster config file",
];

/// The processes that have ended, with their pauses.
#[derive(Default)]
pub struct Revival(HashMap<String, Patient>);

struct Patient {
    started: Instant,
    /// The time of the next start, if the process has ended.
    due: Option<Instant>,
    pause: Duration,
    told: Option<Instant>,
    untold: u32,
}

impl Revival {
    /// Looks at a process, and starts it again if it has ended and its pause is over. `folder` is
    /// the data folder of a store. If the process would end again after every start, answers why.
    pub async fn look(&mut self, process: &Process, folder: Option<&Path>) -> Option<String> {
        process.exit()?;
        let patient = self.0.entry(process.name().to_owned()).or_default();
        match patient.due {
            None => {
                let story = obituary(process).await;
                if folder.is_some() && is_hopeless(&process.last_lines(QUOTED_LINES)) {
                    return Some(story);
                }
                patient.ended();
                patient.tell(&story, process.name(), folder);
            }
            // After a failed start the process waits for another pause.
            Some(due) if due <= Instant::now() => match process.revive() {
                Ok(_) => patient.started(),
                Err(error) => {
                    patient.ended();
                    patient.tell(&format!("{error:#}"), process.name(), folder);
                }
            },
            Some(_) => {}
        }
        None
    }
}

impl Default for Patient {
    fn default() -> Self {
        let started = Instant::now();
        Self {
            started,
            due: None,
            pause: FIRST_PAUSE,
            told: None,
            untold: 0,
        }
    }
}

impl Patient {
    fn ended(&mut self) {
        if self.started.elapsed() >= STEADY {
            self.pause = FIRST_PAUSE;
        }
        self.due = Some(Instant::now() + self.pause);
    }

    fn started(&mut self) {
        *self = Self {
            pause: next_pause(self.pause),
            told: self.told,
            untold: self.untold,
            ..Self::default()
        };
    }

    fn tell(&mut self, story: &str, name: &str, folder: Option<&Path>) {
        if self.told.is_some_and(|told| told.elapsed() < TELL_PAUSE) {
            self.untold += 1;
            return;
        }
        let room = folder.and_then(free_mib).map_or(String::new(), |mib| {
            format!(", {mib} MiB are free on its disk")
        });
        let more = match self.untold {
            0 => String::new(),
            times => format!(" It ended {times} more times since the last such line."),
        };
        note(&format!(
            "{story}\nstack: starting `{name}` again{room}.{more}"
        ));
        (self.told, self.untold) = (Some(Instant::now()), 0);
    }
}

fn next_pause(pause: Duration) -> Duration {
    (pause * 2).min(LONGEST_PAUSE)
}

fn is_hopeless(lines: &[String]) -> bool {
    lines
        .iter()
        .any(|line| HOPELESS.iter().any(|text| line.contains(text)))
}

fn free_mib(folder: &Path) -> Option<u128> {
    let disk = statvfs(folder).ok()?;
    // The width of these numbers differs between systems.
    let bytes = u128::from(disk.blocks_available()) * u128::from(disk.fragment_size());
    Some(bytes / (1_024 * 1_024))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_the_longest_and_begin_anew_after_a_steady_run() {
        let mut patient = Patient::default();
        for pause in [50, 100, 200, 400, 800, 1_600, 3_200, 6_400, 10_000, 10_000] {
            assert_eq!(patient.pause, Duration::from_millis(pause));
            patient.ended();
            patient.started();
        }
        patient.started -= STEADY;
        patient.ended();
        assert_eq!(patient.pause, FIRST_PAUSE);
    }

    #[test]
    fn a_full_disk_is_waited_for_and_a_damaged_file_is_not() {
        let lines = |text: &str| vec![format!("1:M 1 Jan 2026 00:00:00.000 # {text}")];
        assert!(!is_hopeless(&lines(
            "Short write while writing to the AOF file"
        )));
        assert!(!is_hopeless(&lines(
            "Failed opening the append-only file: No space left on device"
        )));
        assert!(is_hopeless(&lines(
            "Failed listening on port 6380 (tcp), aborting."
        )));
        assert!(is_hopeless(&lines(
            "Bad file format reading the append only file a.aof: make"
        )));
    }
}
