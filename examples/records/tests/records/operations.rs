//! Each operation, and each answer that it may give.

use std::fmt::Write;

use ::harness::http::Method;
use serde_json::json;

use crate::harness::{Records, record};

const MAX: &str = "9223372036854775807";
const MIN: &str = "-9223372036854775808";

#[tokio::test]
async fn a_record_is_created_read_changed_and_deleted() {
    let records = Records::start().await;
    let created = records
        .post("create-record", "user_id=u&key=k&value=40")
        .await;
    assert_eq!(created.expect(201).json(), record("k", 40));
    let found = records.get("k").await.expect(200).json();
    let expected = json!({ "user_id": "u", "key": "k", "value": 40, "cache": "cache_miss" });
    assert_eq!(found, expected);
    let raised = records.post("increment-value", "user_id=u&key=k&x=5").await;
    assert_eq!(raised.expect(200).json(), record("k", 45));
    let lowered = records.post("decrement-value", "user_id=u&key=k&x=3").await;
    assert_eq!(lowered.expect(200).json(), record("k", 42));
    assert_eq!(records.read("k").await.0, 42);
    let delete = async || {
        records
            .ask(Method::DELETE, "delete-record", "user_id=u&key=k")
            .await
    };
    assert_eq!(delete().await.expect(204).body, "");
    delete().await.problem(404, "not-found");
    records.get("k").await.problem(404, "not-found");
    records.create("k", 7).await;
    assert_eq!(records.read("k").await.0, 7, "created anew");
}

#[tokio::test]
async fn a_second_record_of_the_same_name_is_refused() {
    let records = Records::start().await;
    records.create("k", 1).await;
    let again = records
        .post("create-record", "user_id=u&key=k&value=2")
        .await;
    again.problem(409, "record-exists");
    assert_eq!(records.read("k").await.0, 1);
    records
        .post("create-record", "user_id=v&key=k&value=3")
        .await
        .expect(201);
}

#[tokio::test]
async fn two_pairs_of_names_are_never_mixed_up() {
    let records = Records::start().await;
    let names = [
        ("a:b", "c"),
        ("a", "b:c"),
        ("1:a", "b"),
        ("é", "ü 🫖"),
        ("%", "&=+"),
        ("A", "b:c"),
    ];
    let query = |(user, key): (&str, &str)| {
        let encoded = |text: &str| {
            text.bytes().fold(String::new(), |mut text, byte| {
                let _ = write!(text, "%{byte:02x}");
                text
            })
        };
        format!("user_id={}&key={}", encoded(user), encoded(key))
    };
    for (value, name) in names.into_iter().enumerate() {
        let query = format!("{}&value={value}", query(name));
        records.post("create-record", &query).await.expect(201);
    }
    for _ in 0..2 {
        for (value, name) in names.into_iter().enumerate() {
            let found = records
                .ask(Method::GET, "get-record", &query(name))
                .await
                .expect(200);
            assert_eq!(
                (found.text("user_id"), found.text("key")),
                (name.0.to_owned(), name.1.to_owned())
            );
            assert_eq!(found.json()["value"], value, "{name:?}");
        }
    }
    assert_eq!(records.keys().await.len(), names.len());
}

#[tokio::test]
async fn what_is_missing_is_404_everywhere() {
    let records = Records::start().await;
    for (method, path, more) in [
        (Method::GET, "get-record", ""),
        (Method::DELETE, "delete-record", ""),
        (Method::POST, "increment-value", "&x=1"),
        (Method::POST, "decrement-value", "&x=0"),
    ] {
        let query = format!("user_id=u&key=k{more}");
        let answer = records.ask(method, path, &query).await;
        answer.problem(404, "not-found");
    }
}

#[tokio::test]
async fn zero_changes_nothing_and_a_negative_number_goes_the_other_way() {
    let records = Records::start().await;
    records.create("k", 10).await;
    for (path, x, value) in [
        ("increment-value", "0", 10),
        ("decrement-value", "0", 10),
        ("increment-value", "-3", 7),
        ("decrement-value", "-5", 12),
        ("decrement-value", "20", -8),
        ("increment-value", "-0", -8),
        ("increment-value", "008", 0),
    ] {
        let answer = records.post(path, &format!("user_id=u&key=k&x={x}")).await;
        assert_eq!(answer.expect(200).json(), record("k", value), "{path} {x}");
        assert_eq!(records.read("k").await.0, value, "{path} {x}");
    }
}

#[tokio::test]
async fn a_number_beyond_64_bits_is_422_and_changes_nothing() {
    let records = Records::start().await;
    let beyond = [
        "9223372036854775808",
        "-9223372036854775809",
        "99999999999999999999999999",
    ];
    for number in beyond {
        let create = format!("user_id=u&key=k&value={number}");
        records
            .post("create-record", &create)
            .await
            .problem(422, "out-of-range");
        records.get("k").await.problem(404, "not-found");
    }
    for (key, value) in [("most", MAX), ("least", MIN)] {
        let create = format!("user_id=u&key={key}&value={value}");
        records.post("create-record", &create).await.expect(201);
    }
    for (path, key, x) in [
        ("increment-value", "most", "1"),
        ("increment-value", "most", MAX),
        ("decrement-value", "most", "-1"),
        ("decrement-value", "most", MIN),
        ("decrement-value", "least", "1"),
        ("increment-value", "least", "-1"),
        ("increment-value", "least", MIN),
        ("increment-value", "most", beyond[0]),
        ("decrement-value", "least", beyond[1]),
    ] {
        let answer = records
            .post(path, &format!("user_id=u&key={key}&x={x}"))
            .await;
        answer.problem(422, "out-of-range");
    }
    assert_eq!(records.get("most").await.raw("value"), MAX);
    assert_eq!(records.get("least").await.raw("value"), MIN);
    // The range itself can be crossed in one step.
    let crossed = records
        .post("decrement-value", &format!("user_id=u&key=least&x={MIN}"))
        .await;
    assert_eq!(crossed.expect(200).raw("value"), "0");
}

#[tokio::test]
async fn a_parameter_that_cannot_be_is_400_and_named() {
    let records = Records::start().await;
    records.create("k", 1).await;
    let long = "x".repeat(101);
    for (path, query, named) in [
        ("increment-value", "user_id=u&key=k".to_owned(), "x"),
        ("increment-value", "user_id=u&key=k&x=".to_owned(), "x"),
        ("increment-value", "user_id=u&key=k&x=one".to_owned(), "x"),
        ("increment-value", "user_id=u&key=k&x=1.5".to_owned(), "x"),
        ("increment-value", "user_id=u&key=k&x=1&x=2".to_owned(), "x"),
        (
            "increment-value",
            "user_id=u&key=k&value=1".to_owned(),
            "value",
        ),
        ("create-record", "user_id=u&key=new".to_owned(), "value"),
        ("create-record", "key=new&value=1".to_owned(), "user_id"),
        (
            "create-record",
            "user_id=&key=new&value=1".to_owned(),
            "user_id",
        ),
        ("create-record", "user_id=u&key=&value=1".to_owned(), "key"),
        (
            "create-record",
            "user_id=u&key=a%00b&value=1".to_owned(),
            "key",
        ),
        (
            "create-record",
            "user_id=u&key=a%0ab&value=1".to_owned(),
            "key",
        ),
        (
            "create-record",
            format!("user_id={long}&key=k&value=1"),
            "user_id",
        ),
        (
            "create-record",
            format!("user_id=u&key={long}&value=1"),
            "key",
        ),
    ] {
        let problem = records
            .post(path, &query)
            .await
            .problem(400, "invalid-parameter");
        let detail = problem["detail"].as_str().unwrap();
        assert!(
            detail.starts_with(&format!("{named}: ")),
            "{query}: {detail}"
        );
    }
    let most = "é".repeat(100);
    let query = format!("user_id={most}&key={most}&value=1");
    records.post("create-record", &query).await.expect(201);
    assert_eq!(records.read("k").await.0, 1);
}
