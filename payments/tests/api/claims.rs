//! How long the claim of an idempotency key is kept.

use std::time::Duration;

use shared::store::claim::{self, Claim, Once};
use shared::store::partition::Partitions;
use shared::store::sweep::Sweep;

use crate::harness::{TestStore, try_place};

/// The days of claims that a sweep removes, and those that it keeps.
#[tokio::test]
async fn a_key_is_kept_for_a_day_and_swept_after_two() {
    let test = TestStore::start(Partitions::NONE).await;
    let today = test.now_ms().await / DAY_MS;
    let claim = |key: &str| Claim::new(key.parse().unwrap(), &"POST /orders");
    let place = async |key: &str| try_place(&test.later, Some(key)).await.unwrap();
    for (key, day) in [
        ("yesterday", today - 1),
        ("before", today - 2),
        ("long-ago", today - 300),
    ] {
        assert!(matches!(place(key).await, Once::Now(_)));
        // Moves the claims to an earlier day.
        let (from, to) = (format!("idempotency:{today}"), format!("idempotency:{day}"));
        test.operate("RENAME", &format!("{from} {to}")).await;
    }
    assert!(matches!(place("yesterday").await, Once::Before(_)));
    let found = test
        .store
        .find_placement(&claim("yesterday"))
        .await
        .unwrap();
    assert!(matches!(found, Some(Once::Before(_))));
    assert!(
        test.store
            .find_placement(&claim("before"))
            .await
            .unwrap()
            .is_none()
    );
    // The newest claim, from which a sweep counts.
    assert!(matches!(place("today").await, Once::Now(_)));
    let sweep = Sweep::new("claims", Duration::ZERO);
    for _ in 0..2 {
        claim::sweep_claims(&test.store.own, &sweep).await.unwrap();
    }
    let mut left: Vec<_> = test.dump().await.into_keys().collect();
    left.retain(|key| key.starts_with("idempotency"));
    assert_eq!(
        left,
        [today - 1, today].map(|day| format!("idempotency:{day}"))
    );
    assert!(matches!(place("before").await, Once::Now(_)), "forgotten");
}

const DAY_MS: u64 = 24 * 60 * 60 * 1_000;
