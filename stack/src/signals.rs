//! Waits for Ctrl-C and SIGTERM.

use std::io;
use std::process::ExitCode;

use tokio::signal::unix::{Signal, SignalKind, signal};

/// The handlers of both signals. Once this value exists, the signals no longer end this program.
pub struct Signals {
    interrupt: Signal,
    terminate: Signal,
}

/// A shell reports this number plus that of the signal for a program that a signal has ended.
const ENDED_BY_SIGNAL: i32 = 128;

impl Signals {
    /// Begins to handle both signals.
    pub fn new() -> io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for one of the signals. Answers the exit status of a program that the signal ends: 130
    /// after Ctrl-C, 143 after SIGTERM.
    pub async fn next(&mut self) -> ExitCode {
        let kind = tokio::select! {
            _ = self.interrupt.recv() => SignalKind::interrupt(),
            _ = self.terminate.recv() => SignalKind::terminate(),
        };
        let status = u8::try_from(ENDED_BY_SIGNAL + kind.as_raw_value());
        status.map_or(ExitCode::FAILURE, ExitCode::from)
    }
}
