//! One signal to stop, for every task of a process.

use std::time::Duration;

use tokio::signal::unix::{SignalKind, signal};
pub use tokio_util::sync::CancellationToken as Shutdown;

use crate::base::telemetry;

/// How long a process may take to finish what it has in hand once it was told to stop.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(5);

/// A token that is cancelled by the first SIGTERM or SIGINT. A second signal ends the process at
/// once: whatever it had in hand is redelivered, as after a crash.
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
            tracing::info!("stopping: finishing what is in hand");
            token.cancel();
        }
    });
    Ok(shutdown)
}

/// A token that is cancelled so much later: what waits for a client, or serves one for long, goes on
/// while requests are still taken.
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

/// Sleeps, or returns `false` at once when the process is to stop.
pub async fn sleep_unless(shutdown: &Shutdown, time: Duration) -> bool {
    tokio::select! {
        () = shutdown.cancelled() => false,
        () = tokio::time::sleep(time) => true,
    }
}
