//! A store that does not answer: the orders that wait for a call fail with that call.

use futures_util::future::join_all;
use payments::store::PLACEMENT_BATCH;
use shared::redis::{Code, Command, RedisError};
use stack::wait::eventually;

use crate::functions::start;
use crate::harness::{TestStore, try_place};

/// Orders that wait behind the first one: more than two calls can place.
const BEHIND: usize = 2 * PLACEMENT_BATCH + 1;

/// Whether the store has received a call of the service, and holds it back.
async fn has_call(test: &TestStore) -> bool {
    let list = test
        .operator
        .run(Command::new("CLIENT").arg("LIST"))
        .await
        .unwrap();
    list.text().unwrap().contains("cmd=fcall")
}

fn is_unanswered<T>(placed: &Result<T, RedisError>) -> bool {
    matches!(placed, Err(error) if error.is(Code::Unknown))
}

#[tokio::test]
async fn orders_that_wait_behind_a_call_without_an_answer_fail_with_it() {
    let test = start().await;
    // The functions are loaded already, so the held call places orders.
    try_place(&test.store, None).await.unwrap();
    test.operate("CLIENT", "PAUSE 60000 WRITE").await;
    let first = async {
        let placed = try_place(&test.store, None).await;
        // From here on the store answers. So an order can fail only because its call was not made.
        test.operate("CLIENT", "UNPAUSE").await;
        placed
    };
    let behind = join_all((0..BEHIND).map(|_| try_place(&test.store, None)));
    let cut = async {
        eventually("the first call", || has_call(&test)).await;
        test.operate("CLIENT", "KILL USER payments").await;
    };
    let (first, behind, ()) = tokio::join!(first, behind, cut);
    assert!(is_unanswered(&first), "{first:?}");
    for placed in behind {
        assert!(is_unanswered(&placed), "{placed:?}");
    }
    let is_back = || async { try_place(&test.store, None).await.is_ok() };
    eventually("the store", is_back).await;
}
