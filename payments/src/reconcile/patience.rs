//! Trying again while a store or inventory is away.

use std::fmt::Display;
use std::future::Future;
use std::time::{Duration, Instant};

use shared::base::backoff::Backoff;
use shared::redis::RedisError;
use shared::service::cli;

use crate::inventory_client::InventoryError;

/// An error of a question that was asked.
pub(super) trait Transient: Display {
    /// Whether another attempt may succeed.
    fn is_transient(&self) -> bool;

    /// Whether the error is about this question alone, so that others may be answered.
    fn is_about_question(&self) -> bool {
        !self.is_transient()
    }
}

/// Attempts of one question before the run is given up: about 10 s.
const MAX_ATTEMPTS: u32 = 8;
/// Wait between two attempts.
const PAUSE: Backoff = Backoff {
    first: Duration::from_millis(200),
    max: Duration::from_secs(2),
};

impl Transient for RedisError {
    fn is_transient(&self) -> bool {
        matches!(self, Self::Unavailable { .. })
    }
}

impl Transient for InventoryError {
    fn is_transient(&self) -> bool {
        !matches!(self, Self::NotFound | Self::Refused(_))
    }

    /// A proxy in between may answer one question with a page that cannot be read.
    fn is_about_question(&self) -> bool {
        matches!(self, Self::NotFound | Self::Refused(_) | Self::Nonsense(_))
    }
}

/// Asks until there is an answer, or an error that stays. The question must be one that may be
/// asked twice. The terminal shows the reason for waiting, once for each reason.
pub(super) async fn patiently<T, E: Transient, F>(ask: impl Fn() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let (mut failures, mut told, began) = (0, String::new(), Instant::now());
    loop {
        match ask().await {
            Err(error) if error.is_transient() && failures + 1 < MAX_ATTEMPTS => {
                failures += 1;
                let reason = error.to_string();
                if reason != told {
                    cli::note(&format!("waiting: {reason}"));
                    told = reason;
                }
                tokio::time::sleep(PAUSE.wait(failures)).await;
            }
            answer => {
                if failures > 0 && answer.is_ok() {
                    cli::note(&format!(
                        "answered again after {} s",
                        began.elapsed().as_secs()
                    ));
                }
                return answer;
            }
        }
    }
}
