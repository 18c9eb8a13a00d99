//! Lines for a person or a log collector, written by a thread of their own. Who hands a line over never
//! waits for the reader: beyond a limit lines are dropped, and counted.
//!
//! `tracing-appender` has such a writer. It was not taken, because it allocates for each line, makes a
//! system call for each, limits lines but not bytes, and tells nobody how many it lost.

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

/// Most bytes that wait to be written. As many may be in the hands of the thread.
pub const QUEUE_BYTES: usize = 1024 * 1024;
/// How long the thread gathers lines after the first one, so that many go out in one write. A process
/// that is killed loses what was said within that time.
const GATHERING_TIME: Duration = Duration::from_millis(10);
/// A buffer that grew beyond this many bytes is given back after it was written.
const KEPT_BYTES: usize = 64 * 1024;

/// Which rule holds for a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rule {
    /// It is dropped where the queue is full.
    Droppable,
    /// The same, and where the same text is repeated, only a count of it is written now and then.
    Counted,
    /// It is queued in any case: it says how many others were lost.
    Always,
}

/// Hands lines to the thread that writes them. Clones share the queue.
#[derive(Clone)]
pub struct LineWriter(Arc<Queue>);

struct Queue {
    state: Mutex<State>,
    /// For the thread: there is something to write, or somebody waits for it.
    wanted: Condvar,
    /// For those who wait until all is written.
    written: Condvar,
}

#[derive(Default)]
struct State {
    lines: Vec<u8>,
    /// How many lines were dropped since that was last told.
    lost: u64,
    /// How many lines were lost in all, dropped or not written.
    lost_ever: u64,
    repeats: Repeats,
    /// The thread waits for the first line. While it gathers or writes nobody has to wake it.
    is_idle: bool,
    /// The thread has lines in hand.
    is_writing: bool,
    /// How many wait until all is written.
    flushing: usize,
}

impl LineWriter {
    /// Starts the thread. It writes to `output`, and calls `tell_lost` with the number of lines that
    /// were lost, once the output takes lines again.
    pub fn start(
        output: impl AsFd,
        tell_lost: impl Fn(&Self, u64) + Send + 'static,
    ) -> io::Result<Self> {
        // A duplicate without a buffer and a lock of its own: at its end a process waits for neither.
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

    /// Queues whole lines. Never waits for the output.
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

    /// Queues the counts of repeated lines, then waits until all is written, and no longer than `limit`.
    /// For the end of a process.
    pub fn finish(&self, limit: Duration) {
        self.state().tell_repeats(true);
        self.flush(limit);
    }

    /// Waits until all that was queued is written or lost, and no longer than `limit`. Answers whether
    /// it came to that.
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

    /// How many lines were lost since the start, in all threads.
    pub fn lost_ever(&self) -> u64 {
        self.state().lost_ever
    }

    fn run(&self, mut sink: Sink, tell_lost: impl Fn(&Self, u64)) {
        let mut batch = Vec::new();
        // Lost since it was last told, and told in the batch that is written next.
        let (mut lost, mut told) = (0, 0);
        loop {
            lost += self.take(&mut batch);
            match sink.write(&batch) {
                0 => told = 0,
                // What was told in this batch was lost with it, and is told again.
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

    /// Waits for lines, gathers a little, and takes all of them in exchange for the empty `batch`. Returns
    /// how many lines were dropped before the next one.
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
    /// Queues the counts of what was repeated: those that are due, or all. One that finds no room stays.
    fn tell_repeats(&mut self, all: bool) {
        let now = Instant::now();
        while self.lines.len() < QUEUE_BYTES
            && let Some(line) = self.repeats.told(now, all)
        {
            self.lines.extend_from_slice(&line);
        }
    }
}
