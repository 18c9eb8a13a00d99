//! A product is changed, and shown, only in the version that the client names.

use reqwest::Method;
use serde_json::json;

use crate::changes::{NOWHERE, assert_version, patch, tea};
use crate::harness::Service;

/// Every way to change a product, ending with its deletion.
fn changes(path: &str) -> [(Method, String, &'static str); 4] {
    [
        (Method::PATCH, path.to_owned(), r#"{"name":"Coffee"}"#),
        (Method::POST, format!("{path}/restock"), r#"{"quantity":1}"#),
        (Method::PUT, format!("{path}/stock"), r#"{"quantity":1}"#),
        (Method::DELETE, path.to_owned(), ""),
    ]
}

#[tokio::test]
async fn a_change_is_made_only_to_the_version_that_is_meant() {
    let service = Service::start().await;
    let path = tea(&service).await;
    let changes = changes(&path);
    for (method, path, body) in &changes {
        for tags in [
            "\"2\"",
            "\"0\"",
            "W/\"1\"",
            "\"\"",
            "\"x\", \"01\"",
            "\"10\", \"11\"",
        ] {
            let headers = [("if-match", tags)];
            let answer = service.send(method.clone(), path, &headers, body).await;
            answer.problem(412, "precondition-failed");
        }
        for nonsense in ["", "1", "\"1", "\"1\"x"] {
            let headers = [("if-match", nonsense)];
            let answer = service.send(method.clone(), path, &headers, body).await;
            answer.problem(400, "invalid-parameter");
        }
    }
    let stock = format!("{path}/stock");
    let bare = service
        .send(Method::PUT, &stock, &[], r#"{"quantity":1}"#)
        .await;
    bare.problem(428, "precondition-required");
    assert_version(&service.get(&path).await, 1);

    for (version, (method, path, body)) in (1..).zip(&changes) {
        let tags = format!("\"99\" , \"{version}\"");
        let headers = [("if-match", tags.as_str())];
        let answer = service.send(method.clone(), path, &headers, body).await;
        assert!(matches!(answer.status, 200 | 204), "{method}: {answer:?}");
    }
    let gone = service
        .ask(Method::DELETE, &path, &[("if-match", "*")])
        .await;
    gone.problem(404, "not-found");
}

#[tokio::test]
async fn a_change_is_not_made_to_a_version_that_is_excluded() {
    let service = Service::start().await;
    let path = tea(&service).await;
    let changes = changes(&path);
    for (method, path, body) in &changes {
        for (tags, status, slug) in [
            ("*", 412, "precondition-failed"),
            ("\"1\"", 412, "precondition-failed"),
            ("\"7\", W/\"1\"", 412, "precondition-failed"),
            ("1", 400, "invalid-parameter"),
            ("", 400, "invalid-parameter"),
        ] {
            let headers = [("if-match", "*"), ("if-none-match", tags)];
            let answer = service.send(method.clone(), path, &headers, body).await;
            answer.problem(status, slug);
        }
    }
    assert_version(&service.get(&path).await, 1);
    for (method, path, body) in &changes {
        let headers = [("if-match", "*"), ("if-none-match", "\"99\", \"x\"")];
        let answer = service.send(method.clone(), path, &headers, body).await;
        assert!(matches!(answer.status, 200 | 204), "{method}: {answer:?}");
    }
    let headers = [("if-none-match", "*")];
    let gone = service.ask(Method::DELETE, &path, &headers).await;
    gone.problem(404, "not-found");
}

#[tokio::test]
async fn of_two_clients_that_mean_the_same_version_one_wins() {
    let service = Service::start().await;
    let path = tea(&service).await;
    let rename = |name: usize| {
        let (service, path, body) = (&service, &path, json!({ "name": format!("Tea {name}") }));
        async move {
            let headers = [("if-match", "\"1\"")];
            service
                .send(Method::PATCH, path, &headers, &body.to_string())
                .await
                .status
        }
    };
    let statuses = futures_util::future::join_all((0..20).map(rename)).await;
    let count = |wanted| statuses.iter().filter(|&&status| status == wanted).count();
    assert_eq!((count(200), count(412)), (1, 19), "{statuses:?}");
    assert_version(&service.get(&path).await, 2);
}

#[tokio::test]
async fn a_reader_that_means_another_version_is_told_so() {
    let service = Service::start().await;
    let path = tea(&service).await;
    for (tags, status) in [
        ("\"1\"", 200),
        ("*", 200),
        ("\"2\"", 412),
        ("W/\"1\"", 412),
        ("x", 400),
    ] {
        for method in [Method::GET, Method::HEAD] {
            let answer = service.ask(method, &path, &[("if-match", tags)]).await;
            assert_eq!(answer.status, status, "{tags}: {answer:?}");
        }
    }
    let both = [("if-match", "\"1\""), ("if-none-match", "\"1\"")];
    assert_eq!(service.get_with(&path, &both).await.status, 304);
    let nowhere = service.get_with(NOWHERE, &[("if-match", "\"1\"")]).await;
    nowhere.problem(404, "not-found");
}

#[tokio::test]
async fn a_client_that_has_the_version_receives_no_body() {
    let service = Service::start().await;
    let path = tea(&service).await;
    for (method, known, status) in [
        (Method::GET, "\"1\"", 304),
        (Method::GET, "W/\"1\"", 304),
        (Method::GET, "*", 304),
        (Method::GET, "\"7\", \"1\"", 304),
        (Method::HEAD, "\"1\"", 304),
        (Method::GET, "\"2\"", 200),
        (Method::GET, "nonsense", 200),
    ] {
        let answer = service
            .ask(method, &path, &[("if-none-match", known)])
            .await;
        assert_eq!(answer.status, status, "{known}: {answer:?}");
        assert_eq!(answer.body.is_empty(), status == 304, "{known}: {answer:?}");
        assert_eq!(answer.header("etag"), "\"1\"");
        assert_eq!(answer.header("cache-control"), "no-cache");
    }
    patch(&service, &path, r#"{"price":2}"#).await;
    let changed = service.get_with(&path, &[("if-none-match", "\"1\"")]).await;
    assert_version(&changed, 2);
    let missing = service.get_with(NOWHERE, &[("if-none-match", "*")]).await;
    assert_eq!(missing.problem(404, "not-found")["status"], 404);
    assert_eq!(missing.header("cache-control"), "no-store");
}
