//! Damages the append-only file of a store that is down: cuts off its end, or replaces it by a
//! backup.

use std::fs;
use std::fs::OpenOptions;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use stack::redis::RedisServer;

use crate::proxy::Protocol;

/// The folder in which Redis keeps the parts of the file.
const FOLDER: &str = "appendonlydir";
const MANIFEST: &str = "appendonly.aof.manifest";
/// The beginning of a time mark in the file.
const MARK: &str = "#TS:";

/// How much is cut off the end of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// This number of bytes at the end.
    Bytes(u64),
    /// Everything from this byte of the newest part on.
    At(u64),
    /// Everything that was written in this number of seconds before the last time mark, and after
    /// the mark.
    Seconds(u64),
}

/// What was cut off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lost {
    /// The length of what is left of the newest part.
    pub kept: u64,
    /// The number of bytes that were cut off.
    pub bytes: u64,
}

/// Cuts the end off the newest part of the append-only file, as a crash of the machine does with
/// weaker settings than the shipped ones. The server must be down.
pub fn cut_tail(store: &RedisServer, cut: Cut) -> Result<Lost> {
    ensure_down(store)?;
    let path = newest_part(store)?;
    let len = fs::metadata(&path)?.len();
    let kept = match cut {
        Cut::Bytes(bytes) => len.saturating_sub(bytes),
        Cut::At(offset) => offset.min(len),
        Cut::Seconds(seconds) => end_before(&fs::read(&path)?, seconds),
    };
    OpenOptions::new().write(true).open(&path)?.set_len(kept)?;
    Ok(Lost {
        kept,
        bytes: len - kept,
    })
}

/// The part of the append-only file that the server writes now.
pub fn newest_part(store: &RedisServer) -> Result<PathBuf> {
    newest_part_in(store.dir())
}

/// The same for the server with this data folder.
pub(crate) fn newest_part_in(dir: &Path) -> Result<PathBuf> {
    let folder = dir.join(FOLDER);
    let manifest = folder.join(MANIFEST);
    let text = fs::read_to_string(&manifest)
        .with_context(|| format!("cannot read {}", manifest.display()))?;
    let newest = text
        .lines()
        .filter_map(increment)
        .max()
        .context("the manifest names no part that is written now")?;
    Ok(folder.join(newest.1))
}

/// Makes a backup: copies the data of a store into the new folder `into`. The store may run.
pub fn back_up(store: &RedisServer, into: &Path) -> Result<()> {
    copy(&store.dir().join(FOLDER), into)
}

/// Replaces the data of a store by a backup. The server must be down.
pub fn restore(store: &RedisServer, from: &Path) -> Result<()> {
    ensure_down(store)?;
    let folder = store.dir().join(FOLDER);
    fs::remove_dir_all(&folder).with_context(|| format!("no data in {}", folder.display()))?;
    copy(from, &folder)
}

fn ensure_down(store: &RedisServer) -> Result<()> {
    let process = store.process();
    ensure!(!process.is_running(), "`{}` still runs", process.name());
    Ok(())
}

/// The number and name of an incremental part, from its line in the manifest.
fn increment(line: &str) -> Option<(u64, String)> {
    let words: Vec<&str> = line.split_whitespace().collect();
    match words[..] {
        ["file", name, "seq", number, "type", "i", ..] => {
            Some((number.parse().ok()?, name.to_owned()))
        }
        _ => None,
    }
}

/// The offset of the first time mark within the last `seconds`. The search goes back from the last
/// mark, and ends at the first mark that is farther away. That may also be a mark in the future,
/// which a clock that jumped has left.
fn end_before(bytes: &[u8], seconds: u64) -> u64 {
    let (mut at, mut marks) = (0, Vec::new());
    while let Some(command) = Protocol::Redis.request(&bytes[at..], false) {
        let time = command
            .label
            .as_deref()
            .and_then(|label| label.strip_prefix(MARK));
        if let Some(time) = time.and_then(|time| time.parse::<u64>().ok()) {
            marks.push((at, time));
        }
        at += command.len;
    }
    let last = marks.last().map_or(0, |(_, time)| *time);
    let late = marks
        .iter()
        .rev()
        .take_while(|(_, time)| time.abs_diff(last) < seconds);
    late.last().map_or(bytes.len(), |(at, _)| *at) as u64
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    let context = || format!("cannot copy {} to {}", from.display(), to.display());
    fs::create_dir_all(to).with_context(context)?;
    // The manifest is copied first: the backup does not need parts that the server adds later.
    fs::copy(from.join(MANIFEST), to.join(MANIFEST)).with_context(context)?;
    for entry in fs::read_dir(from).with_context(context)? {
        let entry = entry?;
        if entry.file_type()?.is_file() && entry.file_name() != MANIFEST {
            fs::copy(entry.path(), to.join(entry.file_name())).with_context(context)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_of_seconds_begins_at_a_mark_of_time() {
        let ping = "*1\r\n$4\r\nPING\r\n";
        let text = format!("#TS:100\r\n{ping}#TS:101\r\n{ping}{ping}#TS:102\r\n{ping}*1\r\n$4");
        let cut = |seconds| &text[usize::try_from(end_before(text.as_bytes(), seconds)).unwrap()..];
        assert_eq!(cut(0), "");
        assert!(cut(1).starts_with("#TS:102"));
        assert!(cut(2).starts_with("#TS:101"));
        assert!(cut(9).starts_with("#TS:100"));
        let jumped = format!("#TS:100\r\n{ping}#TS:3701\r\n{ping}#TS:102\r\n{ping}");
        let at = usize::try_from(end_before(jumped.as_bytes(), 60)).unwrap();
        assert!(jumped[at..].starts_with("#TS:102"));
    }

    #[test]
    fn only_increments_are_cut() {
        let line = "file appendonly.aof.2.incr.aof seq 2 type i";
        assert_eq!(
            increment(line),
            Some((2, "appendonly.aof.2.incr.aof".to_owned()))
        );
        assert_eq!(
            increment("file appendonly.aof.1.base.rdb seq 1 type b"),
            None
        );
    }
}
