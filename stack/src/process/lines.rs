//! The lines a process writes: the last of them are kept, all of them are handed on.

use std::{
    collections::VecDeque,
    io::{BufRead, BufReader, Read},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use super::lock;

/// How many of the last lines are kept.
const KEPT_LINES: usize = 400;
/// A longer line is cut into pieces, so that a child cannot fill our memory.
const MAX_LINE_BYTES: u64 = 64 * 1024;

/// Gets every line a process writes, from the threads that read them.
pub type LineSink = Arc<dyn Fn(&str) + Send + Sync>;

/// The output of one process over all its runs.
pub(super) struct Lines {
    kept: Mutex<VecDeque<String>>,
    open_pipes: AtomicUsize,
    sink: Option<LineSink>,
}

impl Lines {
    pub(super) fn new(sink: Option<LineSink>) -> Self {
        Self { kept: Mutex::default(), open_pipes: AtomicUsize::new(0), sink }
    }

    /// Reads a pipe until its last writer is gone, on a thread of its own.
    pub(super) fn read(self: &Arc<Self>, pipe: Option<impl Read + Send + 'static>) {
        let Some(pipe) = pipe else { return };
        let lines = self.clone();
        self.open_pipes.fetch_add(1, Ordering::AcqRel);
        thread::spawn(move || {
            each_line(pipe, |line| lines.take(line));
            lines.open_pipes.fetch_sub(1, Ordering::AcqRel);
        });
    }

    /// The last `count` lines.
    pub(super) fn last(&self, count: usize) -> Vec<String> {
        let kept = lock(&self.kept);
        kept.iter().skip(kept.len().saturating_sub(count)).cloned().collect()
    }

    /// Whether nobody can write any more.
    pub(super) fn are_complete(&self) -> bool {
        self.open_pipes.load(Ordering::Acquire) == 0
    }

    fn take(&self, line: &str) {
        let mut kept = lock(&self.kept);
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
        match pipe.by_ref().take(MAX_LINE_BYTES).read_until(b'\n', &mut bytes) {
            Ok(0) | Err(_) => return,
            Ok(_) => each(String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n'])),
        }
    }
}
