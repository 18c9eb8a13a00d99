//! Calls that end when the test says so.

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::JoinHandle;

use super::*;

/// One call: its items, and where its answers go.
struct Call {
    partition: Partition,
    items: Vec<usize>,
    answer: oneshot::Sender<Result<Vec<usize>, RedisError>>,
}

type Answered = JoinHandle<Result<usize, RedisError>>;

const LIMIT: usize = 3;

fn batcher() -> (Batcher<usize, usize>, UnboundedReceiver<Call>) {
    let (calls, received): (UnboundedSender<Call>, _) = unbounded_channel();
    let batcher = Batcher::new(LIMIT, move |partition, items| {
        let (answer, answers) = oneshot::channel();
        calls
            .send(Call {
                partition,
                items,
                answer,
            })
            .unwrap();
        async {
            answers
                .await
                .expect("the test panics here by dropping the call")
        }
    });
    (batcher, received)
}

fn partition(index: u16) -> Partition {
    Partition::at(Some(index))
}

/// Submits items, and returns once all of them wait.
async fn submit(
    batcher: &Batcher<usize, usize>,
    items: impl IntoIterator<Item = usize>,
) -> Vec<Answered> {
    let mut answered = Vec::new();
    for item in items {
        let (batcher, (begun, begins)) = (batcher.clone(), oneshot::channel());
        answered.push(tokio::spawn(async move {
            let submit = batcher.submit(partition(0), item);
            // No other task runs between this line and the first poll of the next line.
            begun.send(()).unwrap();
            submit.await
        }));
        begins.await.unwrap();
    }
    answered
}

impl Call {
    /// Answers each item with ten times its value.
    fn succeed(self) -> Vec<usize> {
        let answers = self.items.iter().map(|item| item * 10).collect();
        self.answer.send(Ok(answers)).unwrap();
        self.items
    }
}

async fn all(answered: Vec<Answered>) -> Vec<Result<usize, RedisError>> {
    let mut answers = Vec::new();
    for answer in answered {
        answers.push(answer.await.unwrap());
    }
    answers
}

fn values(answers: Vec<Result<usize, RedisError>>) -> Vec<usize> {
    answers.into_iter().map(Result::unwrap).collect()
}

#[tokio::test]
async fn an_item_that_finds_no_call_under_way_goes_at_once_and_alone() {
    let (batcher, mut calls) = batcher();
    for item in [1, 2] {
        let answered = submit(&batcher, [item]).await;
        assert_eq!(calls.recv().await.unwrap().succeed(), [item]);
        assert_eq!(values(all(answered).await), [item * 10]);
    }
}

#[tokio::test]
async fn what_comes_while_a_call_is_under_way_goes_together_and_in_order() {
    let (batcher, mut calls) = batcher();
    let mut answered = submit(&batcher, [1]).await;
    let first = calls.recv().await.unwrap();
    answered.extend(submit(&batcher, 2..=6).await);
    assert!(calls.try_recv().is_err(), "one call at a time");
    first.succeed();
    assert_eq!(
        calls.recv().await.unwrap().succeed(),
        [2, 3, 4],
        "no more than the limit"
    );
    assert_eq!(calls.recv().await.unwrap().succeed(), [5, 6]);
    assert_eq!(values(all(answered).await), [10, 20, 30, 40, 50, 60]);
}

/// A client of Redis sends in its own task, and tasks run in the order in which they were woken.
#[tokio::test]
async fn the_next_call_is_sent_before_those_of_the_last_are_told() {
    let (told, mut order) = unbounded_channel();
    let (begin, mut calls) = unbounded_channel();
    let sender = told.clone();
    let batcher = Batcher::new(LIMIT, move |_, items: Vec<usize>| {
        let (sender, begin) = (sender.clone(), begin.clone());
        async move {
            let (end, ended) = oneshot::channel();
            let sent = items.clone();
            tokio::spawn(async move { sender.send(("sent", sent)).unwrap() });
            begin.send(end).unwrap();
            ended.await.map(|()| items).map_err(|_| unknown())
        }
    });
    for item in 1..=5 {
        let (batcher, told) = (batcher.clone(), told.clone());
        tokio::spawn(async move {
            let answer = batcher.submit(partition(0), item).await.unwrap();
            told.send(("told", vec![answer])).unwrap();
        });
    }
    for _ in 0..3 {
        calls.recv().await.unwrap().send(()).unwrap();
    }
    let mut events = Vec::new();
    while events.len() < 8 {
        events.push(order.recv().await.unwrap());
    }
    let place = |event| events.iter().position(|found| *found == event).unwrap();
    assert!(
        place(("sent", vec![5])) < place(("told", vec![2])),
        "{events:?}"
    );
}

#[tokio::test]
async fn one_that_gives_up_disturbs_nobody() {
    let (batcher, mut calls) = batcher();
    let first = submit(&batcher, [1]).await;
    let abandoned = calls.recv().await.unwrap();
    let mut second = submit(&batcher, [2, 3]).await;
    let gone = second.remove(0);
    for gone in first.into_iter().chain([gone]) {
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
    }
    assert_eq!(
        calls.recv().await.unwrap().succeed(),
        [2, 3],
        "what waited is handed over"
    );
    assert_eq!(values(all(second).await), [30]);
    assert!(abandoned.answer.is_closed());
    let next = submit(&batcher, [4]).await;
    assert_eq!(calls.recv().await.unwrap().succeed(), [4]);
    assert_eq!(values(all(next).await), [40]);
}

#[tokio::test]
async fn everybody_in_a_call_that_fails_gets_its_error_and_nobody_else() {
    let (batcher, mut calls) = batcher();
    let first = submit(&batcher, [1]).await;
    let under_way = calls.recv().await.unwrap();
    let failing = submit(&batcher, [2, 3, 4]).await;
    let last = submit(&batcher, [5]).await;
    under_way.succeed();
    let refused = Err(RedisError::malformed("no", "no"));
    calls.recv().await.unwrap().answer.send(refused).unwrap();
    calls.recv().await.unwrap().succeed();
    assert_eq!(values(all(first).await), [10]);
    for answer in all(failing).await {
        assert!(matches!(answer, Err(RedisError::Malformed { what, .. }) if what == "no"));
    }
    assert_eq!(values(all(last).await), [50]);
}

#[tokio::test]
async fn nobody_waits_behind_a_store_that_does_not_answer() {
    let (batcher, mut calls) = batcher();
    let mut failed = submit(&batcher, [1]).await;
    let under_way = calls.recv().await.unwrap();
    failed.extend(submit(&batcher, 2..=9).await);
    let silent = Err(RedisError::unknown("Request timed out."));
    under_way.answer.send(silent).unwrap();
    for answer in all(failed).await {
        assert!(
            matches!(
                answer,
                Err(RedisError::Unavailable {
                    code: Code::Unknown,
                    ..
                })
            ),
            "{answer:?}"
        );
    }
    let next = submit(&batcher, [10]).await;
    assert_eq!(calls.recv().await.unwrap().succeed(), [10]);
    assert_eq!(values(all(next).await), [100]);
}

#[tokio::test]
async fn a_call_that_panics_or_answers_the_wrong_number_keeps_nobody_waiting() {
    let (batcher, mut calls) = batcher();
    let first = submit(&batcher, [1]).await;
    let under_way = calls.recv().await.unwrap();
    let mut lost = submit(&batcher, 10..13).await;
    lost.extend(submit(&batcher, [2, 3, 4]).await);
    let next = submit(&batcher, [5]).await;
    under_way.succeed();
    assert_eq!(values(all(first).await), [10]);
    drop(calls.recv().await.unwrap());
    calls
        .recv()
        .await
        .unwrap()
        .answer
        .send(Ok(vec![20, 30]))
        .unwrap();
    calls.recv().await.unwrap().succeed();
    for answer in all(lost).await {
        assert!(
            matches!(
                answer,
                Err(RedisError::Unavailable {
                    code: Code::Unknown,
                    ..
                })
            ),
            "{answer:?}"
        );
    }
    assert_eq!(values(all(next).await), [50]);
}

#[tokio::test]
async fn what_would_wait_behind_too_many_is_refused_at_once() {
    let (batcher, mut calls) = batcher();
    let _first = submit(&batcher, [0]).await;
    let _under_way = calls.recv().await.unwrap();
    let _waiting = submit(&batcher, 1..=MAX_WAITING).await;
    let refused = batcher.submit(partition(0), 1).await;
    assert!(refused.unwrap_err().is(Code::Crowded));
    let elsewhere = batcher.clone();
    tokio::spawn(async move { elsewhere.submit(partition(1), 1).await });
    let call = calls.recv().await.unwrap();
    assert_eq!(
        call.partition,
        partition(1),
        "partitions do not wait for each other"
    );
}
