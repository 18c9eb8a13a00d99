//! Every part of a request is acted on or refused. Every operation of both documents gets
//! parameters that it does not take, and values that it cannot read.

use reqwest::RequestBuilder;
use reqwest::header::HeaderValue;

use subjects::{Operation, Subjects, problem};

mod subjects;

/// Words of the framework and of the standard library, which no answer may contain.
const FOREIGN: [&str; 8] = [
    "occurred while parsing",
    "failed to parse",
    "expects an input",
    "Type \"",
    "invalid digit",
    "invalid character",
    "provided string",
    "missing field",
];
const TIME: &str = "Fri, 20 Nov 2026 10:00:00 GMT";
/// The least number of operations in both documents together.
const LEAST_OPERATIONS: usize = 20;

#[tokio::test]
async fn every_change_honours_a_condition_or_refuses_it() {
    let subjects = Subjects::open().await;
    let before = subjects.state().await;
    for operation in subjects
        .operations
        .iter()
        .filter(|operation| operation.changes())
    {
        assert_eq!(
            operation.declares("If-Match"),
            operation.declares("If-None-Match")
        );
        for (name, value, statuses) in [
            ("if-match", "\"99\"", [400, 412]),
            ("if-match", "garbage", [400, 400]),
            ("if-none-match", "*", [400, 412]),
            ("if-none-match", "garbage", [400, 400]),
            ("if-unmodified-since", TIME, [400, 400]),
        ] {
            let mut request = subjects.ask(operation, "").header(name, value);
            // Setting the stock always needs a version.
            if operation.path.ends_with("/stock") && name == "if-none-match" {
                request = request.header("if-match", "*");
            }
            let answer = problem(request).await;
            let status = answer.map_or(200, |answer| answer.status);
            assert!(
                statuses.contains(&status),
                "{operation:?}: {name}: {value}: {status}"
            );
        }
    }
    assert_eq!(subjects.state().await, before);
}

#[tokio::test]
async fn every_read_honours_a_condition_or_refuses_it() {
    let subjects = Subjects::open().await;
    for operation in subjects
        .operations
        .iter()
        .filter(|operation| !operation.changes())
    {
        let answer = problem(subjects.ask(operation, "").header("if-match", "\"99\"")).await;
        let status = answer.map_or(200, |answer| answer.status);
        let expected = if operation.declares("If-Match") {
            412
        } else {
            400
        };
        assert_eq!(status, expected, "{operation:?}");
    }
}

#[tokio::test]
async fn no_operation_takes_a_parameter_that_it_does_not_declare() {
    let subjects = Subjects::open().await;
    let before = subjects.state().await;
    for operation in &subjects.operations {
        let answer = problem(subjects.ask(operation, "?no%5fsuch=1"))
            .await
            .unwrap();
        assert_eq!(
            (answer.status, answer.text("type").as_str()),
            (400, "/problems/invalid-parameter")
        );
        let detail = answer.text("detail");
        assert!(
            detail.starts_with("no_such: there is no such parameter; "),
            "{detail}"
        );
    }
    assert_eq!(subjects.state().await, before);
}

#[tokio::test]
async fn a_wrong_parameter_is_answered_in_words_of_the_service() {
    let subjects = Subjects::open().await;
    let mut refused = 0;
    for operation in &subjects.operations {
        for parameter in &operation.parameters {
            let (name, place) = (
                parameter["name"].as_str().unwrap(),
                parameter["in"].as_str(),
            );
            let requests = match place {
                Some("query") => in_query(&subjects, operation, name),
                Some("header") => in_header(&subjects, operation, name),
                _ => continue,
            };
            for request in requests {
                let Some(answer) = problem(request).await.filter(|answer| answer.status == 400)
                else {
                    continue;
                };
                refused += 1;
                let detail = answer.text("detail");
                let about_cursor = answer.text("type") == "/problems/invalid-cursor";
                let says = detail.starts_with(&format!("{name}: "))
                    || detail.starts_with("the query must be UTF-8");
                assert!(says || about_cursor, "{operation:?}: {name}: {detail}");
            }
            if parameter["required"] == true && place == Some("query") {
                let missing = problem(subjects.ask(operation, "")).await.unwrap();
                assert!(
                    missing
                        .text("detail")
                        .starts_with(&format!("{name}: must be given"))
                );
            }
        }
    }
    assert!(refused >= 100, "{refused}");
}

/// The operation, with each value that a query parameter may not have.
fn in_query(subjects: &Subjects, operation: &Operation, name: &str) -> Vec<RequestBuilder> {
    let long = "x".repeat(300);
    let values = [
        "",
        "%00",
        "nonsense",
        "-1",
        "1e400",
        "%ff",
        "999999999999999999999",
        &long,
    ];
    let twice = format!("?{name}=1&{name}=1");
    let wrong = values.iter().map(|value| format!("?{name}={value}"));
    wrong
        .chain([twice])
        .map(|query| subjects.ask(operation, &query))
        .collect()
}

/// The operation, with each value that a header may not have.
fn in_header(subjects: &Subjects, operation: &Operation, name: &str) -> Vec<RequestBuilder> {
    // Only values that are refused before anything happens, because the operation may change
    // something.
    let values: [&[u8]; 5] = [b"\"", b"a b", b"\xff", b"nonsense \"", b"\"a\" \"b\""];
    let wrong = values.iter().map(|value| {
        let value = HeaderValue::from_bytes(value).unwrap();
        subjects.ask(operation, "").header(name, value)
    });
    wrong.collect()
}
