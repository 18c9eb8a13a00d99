//! Writes lines to an output, on a thread of its own. A caller that hands over a line never waits
//! for the reader of the output. If the queue is full, lines are dropped and counted.
//!
//! `tracing-appender` has such a writer. It is not used here: it allocates and makes a system call
//! for each line, it limits the number of lines and not the bytes, and it does not report lost
//! lines.

use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use repeats::Repeats;
use sink::Sink;

pub use cut::{MAX_LINE_BYTES, cut_json, cut_text};

mod cut;
mod repeats;
mod sink;

/// Most bytes in the queue. The thread may hold as many again in the batch that it is writing.
pub const QUEUE_BYTES: usize = 1024 * 1024;
/// How long the thread gathers lines after the first one, so that one write takes many of them. A
/// process that is killed loses the lines of that time.
const GATHERING_TIME: Duration = Duration::from_millis(10);
/// A buffer that grew larger is shrunk to this many bytes after it was written.
const KEPT_BYTES: usize = 64 * 1024;

/// Whether a line may be dropped or counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// The line is dropped if the queue is full.
    Droppable,
    /// The line is dropped if the queue is full. Repetitions of the same text are only counted, and
    /// the count is written every 10 s.
    Counted,
    /// The line is always queued: it reports how many others were lost.
    Always,
}

/// Hands lines to the thread that writes them. Clones share the queue.
#[derive(Clone)]
pub struct LineWriter(Arc<Queue>);

struct Queue {
    state: Mutex<State>,
    /// Wakes the thread: a line was queued, or a flush waits.
    wanted: Condvar,
    /// Wakes a flush: everything was written.
    written: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    /// Lines that were dropped since the thread last took this count.
    lost: u64,
    /// Lines that were lost since the start, dropped or not written.
    lost_ever: u64,
    repeats: Repeats,
    /// The thread waits for the first line. While the thread gathers or writes, it needs no
    /// wake-up.
    is_idle: bool,
    /// The thread holds lines that it is writing.
    is_writing: bool,
    /// The number of flushes that wait.
    flushing: usize,
}

impl LineWriter {
    /// Starts the thread, which writes to `output`. Once the output takes lines again, the thread
    /// calls `tell_lost` with the number of lines that were lost.
    pub fn start(
        output: impl AsFd,
        tell_lost: impl Fn(&Self, u64) + Send + 'static,
    ) -> io::Result<Self> {
        // A duplicate of the descriptor has no buffer and no lock that a process waits for at its
        // end.
        let sink = Sink::new(File::from(output.as_fd().try_clone_to_owned()?));
        let queue = Queue {
            state: Mutex::default(),
            wanted: Condvar::new(),
            written: Condvar::new(),
        };
        let writer = Self(Arc::new(queue));
        let worker = writer.clone();
        thread::Builder::new()
            .name("line-writer".to_owned())
            .spawn(move || worker.run(sink, tell_lost))?;
        Ok(writer)
    }

    /// Queues whole lines, without waiting for the output.
    pub fn push(&self, line: &[u8], rule: Rule) {
        let mut state = self.state();
        if rule == Rule::Counted && !state.repeats.is_news(line, Instant::now()) {
            return;
        }
        if rule != Rule::Always && state.lines.len() + line.len() > QUEUE_BYTES {
            state.lost += 1;
            state.lost_ever += 1;
            return;
        }
        state.lines.extend_from_slice(line);
        if std::mem::take(&mut state.is_idle) {
            drop(state);
            self.0.wanted.notify_one();
        }
    }

    /// Queues the counts of repeated lines, then waits up to `limit` until everything is written.
    /// For the end of a process.
    pub fn finish(&self, limit: Duration) {
        self.state().tell_repeats(true);
        self.flush(limit);
    }

    /// Waits up to `limit` until every queued line is written or lost. `false` means that `limit`
    /// passed first.
    pub fn flush(&self, limit: Duration) -> bool {
        let mut state = self.state();
        state.flushing += 1;
        self.0.wanted.notify_one();
        let waited = self.0.written.wait_timeout_while(state, limit, |state| {
            state.is_writing || !state.lines.is_empty()
        });
        let (mut state, waited) = waited.unwrap_or_else(PoisonError::into_inner);
        state.flushing -= 1;
        !waited.timed_out()
    }

    /// The number of lines that all threads have lost since the start.
    pub fn lost_ever(&self) -> u64 {
        self.state().lost_ever
    }

    fn run(&self, mut sink: Sink, tell_lost: impl Fn(&Self, u64)) {
        let mut batch = Vec::new();
        // `lost`: lines lost since the last report. `told`: the count that the next batch reports.
        let (mut lost, mut told) = (0, 0);
        loop {
            lost += self.take(&mut batch);
            match sink.write(&batch) {
                0 => told = 0,
                // A report in this batch may be lost with it, so its count is reported again.
                failed => {
                    lost += failed + std::mem::take(&mut told);
                    self.state().lost_ever += failed;
                }
            }
            if sink.is_well() && lost > 0 {
                tell_lost(self, lost);
                told = std::mem::take(&mut lost);
            }
            batch.clear();
            batch.shrink_to(KEPT_BYTES);
        }
    }

    /// Waits for lines, gathers more for a moment, and exchanges all of them for the empty `batch`.
    /// Returns how many lines were dropped since the last call.
    fn take(&self, batch: &mut Vec<u8>) -> u64 {
        let mut state = self.state();
        state.is_writing = false;
        loop {
            state.tell_repeats(false);
            if !state.lines.is_empty() {
                break;
            }
            self.0.written.notify_all();
            state.is_idle = true;
            state = match state.repeats.next_due() {
                None => self
                    .0
                    .wanted
                    .wait(state)
                    .unwrap_or_else(PoisonError::into_inner),
                Some(due) => {
                    let pause = due.saturating_duration_since(Instant::now());
                    let woken = self.0.wanted.wait_timeout(state, pause);
                    woken.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        state.is_idle = false;
        let mut state = self
            .0
            .wanted
            .wait_timeout_while(state, GATHERING_TIME, |state| state.flushing == 0)
            .unwrap_or_else(PoisonError::into_inner)
            .0;
        state.is_writing = true;
        std::mem::swap(&mut state.lines, batch);
        std::mem::take(&mut state.lost)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Queues the counts of repeated lines: the counts that are due, or all. A count stays in
    /// `repeats` while the queue has no room for it.
    fn tell_repeats(&mut self, all: bool) {
        let now = Instant::now();
        while self.lines.len() < QUEUE_BYTES
            && let Some(line) = self.repeats.told(now, all)
        {
            self.lines.extend_from_slice(&line);
        }
    }
}
