//! The runner of mixed loads: it counts what happened, and notices what never happened.

use std::cell::Cell;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use fastrand::Rng;
use harness::load::{self, Mix, Outcome};

/// Time enough for three disturbances.
const LASTS: Duration = Duration::from_secs(4);

/// Counts operations. The third disturbance fails if it is told to.
#[derive(Default)]
struct Counting {
    operations: Cell<u64>,
    fails: bool,
}

impl Mix for Counting {
    async fn operate(&self, client: usize, random: &mut Rng) -> (&'static str, Outcome) {
        tokio::time::sleep(Duration::from_millis(random.u64(1..20))).await;
        self.operations.set(self.operations.get() + 1);
        match client {
            0 => ("read", Outcome::Done),
            1 => ("read", Outcome::Unknown),
            _ => ("write", Outcome::Refused),
        }
    }

    async fn disturb(&self, turn: usize) -> Result<&'static str> {
        if self.fails && turn == 2 {
            bail!("it cannot be started again");
        }
        Ok(["worker", "server"][turn % 2])
    }
}

#[tokio::test]
async fn a_load_counts_operations_and_disturbances() {
    let mix = Counting::default();
    let began = Instant::now();
    let report = load::run_for(LASTS, &mix, 3, 1).await.unwrap();
    assert!(began.elapsed() >= LASTS);
    assert!(mix.operations.get() > 50);
    report
        .ensure_lively(&["read"], 20, &["worker", "server"])
        .unwrap();
    let error = report.ensure_lively(&["write"], 1, &[]).unwrap_err();
    assert!(
        error.to_string().contains("write was done 0 times"),
        "{error}"
    );
    let error = report.ensure_lively(&[], 1, &["broker"]).unwrap_err();
    assert!(
        error.to_string().contains("broker never happened"),
        "{error}"
    );
}

#[tokio::test]
async fn a_disturbance_that_cannot_be_mended_fails_the_load() {
    let mix = Counting {
        fails: true,
        ..Counting::default()
    };
    let error = load::run_for(LASTS, &mix, 3, 1).await.unwrap_err();
    assert_eq!(
        format!("{error:#}"),
        "disturbance 2: it cannot be started again"
    );
}
