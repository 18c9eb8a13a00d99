//! One token tells every task of a process to stop.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
pub use tokio_util::sync::CancellationToken as Shutdown;

use crate::base::telemetry;

/// How long a process may take to finish its work in progress after it was told to stop.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// A token that the first SIGTERM or SIGINT cancels. A second signal ends the process at once.
/// Entries that it had not settled are delivered again, as after a crash.
pub fn on_signal() -> std::io::Result<Shutdown> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let shutdown = Shutdown::new();
    let token = shutdown.clone();
    tokio::spawn(async move {
        for attempt in 0.. {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            if attempt > 0 {
                telemetry::hurry();
                std::process::exit(130);
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
