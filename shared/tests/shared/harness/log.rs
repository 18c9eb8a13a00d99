//! The log lines of the code under test.

use std::io;
use std::sync::{Arc, Mutex};

use tracing::Dispatch;
use tracing::subscriber::DefaultGuard;

/// The lines that this thread logs, from [`Log::capture`] on until the value is dropped.
pub(crate) struct Log {
    written: Written,
    _guard: DefaultGuard,
    _second: Dispatch,
}

#[derive(Clone, Default)]
struct Written(Arc<Mutex<Vec<u8>>>);

impl io::Write for Written {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    pub(crate) fn capture() -> Self {
        let written = Written::default();
        let writer = written.clone();
        let lines = tracing_subscriber::fmt()
            .with_writer(move || writer.clone())
            .with_ansi(false);
        // `tracing` caches for each call site whether any subscriber wants its lines. With one
        // subscriber, a call site that another test ran first would stay silent here.
        let second = Dispatch::new(tracing_subscriber::registry());
        Self {
            written,
            _guard: tracing::subscriber::set_default(lines.finish()),
            _second: second,
        }
    }

    /// The lines that have this text.
    pub(crate) fn lines_with(&self, text: &str) -> Vec<String> {
        let log = String::from_utf8(self.written.0.lock().unwrap().clone()).unwrap();
        let lines = log.lines().filter(|line| line.contains(text));
        lines.map(str::to_owned).collect()
    }
}
