//! One token tells every task of a process to stop.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
pub use tokio_util::sync::CancellationToken as Shutdown;

use crate::base::telemetry;

/// How long a process may take to finish its work in progress after it was told to stop.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// A shell reports this number plus that of the signal for a process that a signal has ended.
const ENDED_BY_SIGNAL: i32 = 128;

/// A token that the first SIGTERM or SIGINT cancels. A second signal ends the process at once, with
/// the status of a process that this signal ends: 143 after SIGTERM, 130 after SIGINT.
/// Entries that it had not settled are delivered again, as after a crash.
pub fn on_signal() -> std::io::Result<Shutdown> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let shutdown = Shutdown::new();
    let token = shutdown.clone();
    tokio::spawn(async move {
        for attempt in 0.. {
            let kind = tokio::select! {
                _ = terminate.recv() => SignalKind::terminate(),
                _ = interrupt.recv() => SignalKind::interrupt(),
            };
            if attempt > 0 {
                telemetry::hurry();
                std::process::exit(ENDED_BY_SIGNAL + kind.as_raw_value());
            }
            tracing::info!("stopping: finishing the work in progress");
            token.cancel();
        }
    });
    Ok(shutdown)
}

/// A token that is cancelled `delay` after `shutdown`. It is for long polls and live streams, which
/// go on while the process still takes requests.
pub fn later(shutdown: &Shutdown, delay: Duration) -> Shutdown {
    let (begin, end) = (shutdown.clone(), Shutdown::new());
    let token = end.clone();
    tokio::spawn(async move {
        begin.cancelled().await;
        tokio::time::sleep(delay).await;
        token.cancel();
    });
    end
}

/// Sleeps for `time`. Returns `false` as soon as the process has to stop.
pub async fn sleep_unless(shutdown: &Shutdown, time: Duration) -> bool {
    tokio::select! {
        () = shutdown.cancelled() => false,
        () = tokio::time::sleep(time) => true,
    }
}
