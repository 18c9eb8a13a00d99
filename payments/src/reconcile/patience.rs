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
///
/// An error about the question alone opens the circuit to inventory, which then answers nothing.
/// So the last error about the question says more than a later one.
pub(super) async fn patiently<T, E: Transient, F>(ask: impl Fn() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    ask_again(PAUSE, ask).await
}

async fn ask_again<T, E: Transient, F>(pause: Backoff, ask: impl Fn() -> F) -> Result<T, E>
where
    F: Future<Output = Result<T, E>>,
{
    let (mut failures, mut told, began) = (0, String::new(), Instant::now());
    let mut about_question = None;
    loop {
        match ask().await {
            Err(error) if error.is_transient() && failures + 1 < MAX_ATTEMPTS => {
                failures += 1;
                let reason = error.to_string();
                if error.is_about_question() {
                    about_question = Some(error);
                }
                if reason != told {
                    cli::note(&format!("waiting: {reason}"));
                    told = reason;
                }
                tokio::time::sleep(pause.wait(failures)).await;
            }
            Err(error) if !error.is_about_question() => {
                return Err(about_question.unwrap_or(error));
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

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    /// Asks a question whose attempts fail with these errors.
    async fn ask(errors: Vec<InventoryError>) -> InventoryError {
        let errors = RefCell::new(errors.into_iter());
        let attempt = || async { Err::<(), _>(errors.borrow_mut().next().unwrap()) };
        let pause = Backoff {
            first: Duration::from_millis(1),
            max: Duration::from_millis(1),
        };
        ask_again(pause, attempt).await.unwrap_err()
    }

    fn unreadable() -> InventoryError {
        InventoryError::Nonsense("a page of a proxy".to_owned())
    }

    fn away() -> InventoryError {
        InventoryError::Unavailable("it failed too often a moment ago".to_owned())
    }

    /// Five failures in a row open the circuit to inventory.
    #[tokio::test]
    async fn an_unreadable_answer_counts_although_the_circuit_is_open_in_the_end() {
        let errors = (0..5).map(|_| unreadable()).chain((0..3).map(|_| away()));
        assert!(ask(errors.collect()).await.is_about_question());
        let errors = (0..MAX_ATTEMPTS).map(|_| away());
        assert!(!ask(errors.collect()).await.is_about_question());
    }
}
