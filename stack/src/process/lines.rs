//! The lines that a process writes: all are handed to the sink, and the last ones are kept.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use crate::locked;

/// The number of lines that are kept.
const KEPT_LINES: usize = 400;
/// A longer line is cut into pieces, so that a child cannot fill the memory of this process.
const MAX_LINE_BYTES: u64 = 64 * 1024;

/// The longest time for which [`Reading::Never`] leaves the output of a process unread.
const UNREAD_LIMIT: Duration = Duration::from_mins(1);

/// How the output of a process is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reading {
    /// As soon as it arrives.
    #[default]
    AtOnce,
    /// One line at a time, with a pause after each.
    Slowly(Duration),
    /// Not at all, for a minute at most.
    Never,
}

/// Gets every line a process writes, from the threads that read them.
pub type LineSink = Arc<dyn Fn(&str) + Send + Sync>;

/// The output of one process over all its runs.
pub(super) struct Lines {
    kept: Mutex<VecDeque<String>>,
    open_pipes: AtomicUsize,
    reading: Mutex<Reading>,
    changed: Condvar,
    sink: Option<LineSink>,
}

impl Lines {
    pub(super) fn new(sink: Option<LineSink>) -> Self {
        Self {
            kept: Mutex::default(),
            open_pipes: AtomicUsize::new(0),
            reading: Mutex::default(),
            changed: Condvar::new(),
            sink,
        }
    }

    /// Reads a pipe until its last writer is gone, on a thread of its own.
    pub(super) fn read(self: &Arc<Self>, pipe: Option<impl Read + Send + 'static>) {
        let Some(pipe) = pipe else { return };
        let lines = self.clone();
        self.open_pipes.fetch_add(1, Ordering::AcqRel);
        thread::spawn(move || {
            each_line(pipe, |line| {
                lines.wait_turn();
                lines.take(line);
            });
            lines.open_pipes.fetch_sub(1, Ordering::AcqRel);
        });
    }

    /// Sets how the output is read from now on.
    pub(super) fn set_reading(&self, reading: Reading) {
        *locked(&self.reading) = reading;
        self.changed.notify_all();
    }

    fn wait_turn(&self) {
        let reading = locked(&self.reading);
        let is_never = |reading: &mut Reading| *reading == Reading::Never;
        let waited = self
            .changed
            .wait_timeout_while(reading, UNREAD_LIMIT, is_never);
        let pause = match *waited.unwrap_or_else(PoisonError::into_inner).0 {
            Reading::Slowly(pause) => pause,
            Reading::AtOnce | Reading::Never => return,
        };
        thread::sleep(pause);
    }

    /// The last `count` lines.
    pub(super) fn last(&self, count: usize) -> Vec<String> {
        let kept = locked(&self.kept);
        kept.iter()
            .skip(kept.len().saturating_sub(count))
            .cloned()
            .collect()
    }

    /// Whether every writer has closed its end.
    pub(super) fn are_complete(&self) -> bool {
        self.open_pipes.load(Ordering::Acquire) == 0
    }

    fn take(&self, line: &str) {
        let mut kept = locked(&self.kept);
        if kept.len() == KEPT_LINES {
            kept.pop_front();
        }
        kept.push_back(line.to_owned());
        drop(kept);
        if let Some(sink) = &self.sink {
            sink(line);
        }
    }
}

fn each_line(pipe: impl Read, mut each: impl FnMut(&str)) {
    let mut pipe = BufReader::new(pipe);
    let mut bytes = Vec::new();
    loop {
        bytes.clear();
        match pipe
            .by_ref()
            .take(MAX_LINE_BYTES)
            .read_until(b'\n', &mut bytes)
        {
            Ok(0) | Err(_) => return,
            Ok(_) => each(String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n'])),
        }
    }
}
