//! Random histories, compared with the rules of the domain.

use std::collections::HashMap;

use ::harness::http::Method;
use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use records::domain::{Change, Written};

use crate::harness::{Records, record};

#[derive(Clone, Copy, Debug)]
enum Step {
    Change(u8, Change),
    Get(u8),
    Delete(u8),
}

const STEPS: usize = 600;

/// Small numbers, and numbers at the ends of the range.
fn number() -> impl Strategy<Value = i64> {
    let ends = [i64::MIN, i64::MIN + 1, i64::MAX - 1, i64::MAX];
    prop_oneof![3 => -5..=5_i64, 1 => proptest::sample::select(ends.to_vec())]
}

fn step() -> impl Strategy<Value = Step> {
    let key = || 0..4_u8;
    prop_oneof![
        1 => (key(), number()).prop_map(|(key, value)| Step::Change(key, Change::Create(value))),
        2 => (key(), number()).prop_map(|(key, x)| Step::Change(key, Change::Increment(x))),
        2 => (key(), number()).prop_map(|(key, x)| Step::Change(key, Change::Decrement(x))),
        3 => key().prop_map(Step::Get),
        1 => key().prop_map(Step::Delete),
    ]
}

#[tokio::test]
async fn every_answer_agrees_with_the_rules() {
    let records = Records::start().await;
    let mut runner = TestRunner::new(Config::default());
    let mut model: HashMap<u8, i64> = HashMap::new();
    let (mut history, mut hits) = (Vec::new(), 0);
    for _ in 0..STEPS {
        let step = step().new_tree(&mut runner).unwrap().current();
        history.push(step);
        let context = || format!("{:?}", &history[history.len().saturating_sub(20)..]);
        match step {
            Step::Change(key, change) => {
                let (operation, nothing) = match change {
                    Change::Create(value) => (format!("create-record?value={value}"), 409),
                    Change::Increment(x) => (format!("increment-value?x={x}"), 404),
                    Change::Decrement(x) => (format!("decrement-value?x={x}"), 404),
                };
                let (path, number) = operation.split_once('?').unwrap();
                let query = format!("user_id=u&key={key}&{number}");
                let answer = records.post(path, &query).await;
                match change.apply(model.get(&key).copied()) {
                    Written::Nothing => assert_eq!(answer.status, nothing, "{}", context()),
                    Written::Overflow => assert_eq!(answer.status, 422, "{}", context()),
                    Written::Value(value) => {
                        model.insert(key, value);
                        let expected = record(&key.to_string(), value);
                        assert_eq!(answer.json(), expected, "{}", context());
                    }
                }
            }
            Step::Get(key) => match model.get(&key) {
                None => assert_eq!(
                    records.get(&key.to_string()).await.status,
                    404,
                    "{}",
                    context()
                ),
                Some(&value) => {
                    let (found, is_hit) = records.read(&key.to_string()).await;
                    assert_eq!(found, value, "{}", context());
                    hits += usize::from(is_hit);
                }
            },
            Step::Delete(key) => {
                let query = format!("user_id=u&key={key}");
                let status = if model.remove(&key).is_some() {
                    204
                } else {
                    404
                };
                let answer = records.ask(Method::DELETE, "delete-record", &query).await;
                assert_eq!(answer.status, status, "{}", context());
            }
        }
    }
    assert!(hits > 0, "no value was found in the cache");
}
