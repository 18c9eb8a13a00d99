//! Paths, ids and methods that do not exist.

use reqwest::Method;
use serde_json::json;
use stack::wait::eventually;

use crate::harness::Service;

#[tokio::test]
async fn an_unknown_path_or_id_is_not_found() {
    let service = Service::start().await;
    let long = format!("/products/{}", "a".repeat(8_000));
    for path in [
        "/",
        "/nowhere",
        "/products//",
        "/products/1",
        "/products/x/y",
        "/products/%00",
        "/products/%0d%0aX: y",
        "/products/%ff",
        "/products/%",
        "/products/%2F",
        "/products/..%2f",
        "/products/{id}",
        "/products/:id",
        "/Products",
        "//products",
        "/products/01932c4e7c1a700080002f0d6a1b9c3e",
        "/products/01932c4e-7c1a-7000-8000-2f0d6a1b9c3e",
        "/products/01932c4e-7c1a-7000-8000-2f0d6a1b9c3g",
        "/problems/nothing",
        "/docs/x",
        "/livez/x",
        &long,
    ] {
        service.get(path).await.problem(404, "not-found");
    }
    // HTTP clients resolve these paths before they send them.
    for path in [
        "/products/%2e%2e",
        "/products/../x",
        "/products/..",
        "/../etc/passwd",
        "/products/.",
    ] {
        let answer = service
            .raw(&format!(
                "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
            ))
            .await;
        assert!(answer.starts_with("HTTP/1.1 404 "), "{path}: {answer}");
        assert!(answer.contains("/problems/not-found"), "{path}: {answer}");
    }
}

#[tokio::test]
async fn a_wrong_method_is_told_the_right_ones() {
    let service = Service::start().await;
    let id = "01932c4e-7c1a-7000-8000-2f0d6a1b9c3e";
    for (method, path, allow) in [
        (Method::PUT, "/products", "GET, HEAD, POST"),
        (Method::DELETE, "/products", "GET, HEAD, POST"),
        (
            Method::POST,
            &*format!("/products/{id}"),
            "DELETE, GET, HEAD, PATCH",
        ),
        (Method::TRACE, "/products/x", "DELETE, GET, HEAD, PATCH"),
        (Method::DELETE, "/products/stream", "GET, HEAD"),
        (Method::POST, &*format!("/products/{id}/stock"), "PUT"),
        (Method::GET, &*format!("/products/{id}/restock"), "POST"),
        (Method::POST, "/livez", "GET, HEAD"),
        (Method::POST, "/docs", "GET, HEAD"),
        (Method::DELETE, "/problems/not-found", "GET, HEAD"),
    ] {
        let answer = service.ask(method.clone(), path, &[]).await;
        answer.problem(405, "method-not-allowed");
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
    }
}

#[tokio::test]
async fn a_path_has_one_spelling() {
    let service = Service::start_with(&[("RUST_LOG", "info")]).await;
    let id = service.create("Tea").await;
    let escaped: Vec<String> = id.bytes().map(|byte| format!("%{byte:02x}")).collect();
    let escaped = escaped.concat();
    let list = service.get("/products").await;
    for path in [
        "/products/",
        "/%70roducts",
        "/%70%72oduct%73/",
        "/products/?limit=20",
    ] {
        let answer = service.get(path).await;
        assert_eq!((answer.status, &answer.body), (200, &list.body), "{path}");
    }
    let one = service.get(&format!("/products/{id}")).await;
    for path in [format!("/products/{id}/"), format!("/%70roducts/{escaped}")] {
        let answer = service.get(&path).await;
        assert_eq!((answer.status, &answer.body), (200, &one.body), "{path}");
        assert_eq!(answer.header("etag"), one.header("etag"), "{path}");
    }
    for path in [
        "/livez/",
        "/%6civez",
        "/docs/",
        "/openapi.json/",
        "/problems/not-found/",
    ] {
        assert_eq!(service.get(path).await.status, 200, "{path}");
    }
    let problem = service
        .get("/products/%7e/")
        .await
        .problem(404, "not-found");
    assert_eq!(
        problem["instance"], "/products/~",
        "a problem names the path as routes see it"
    );
    let process = service.system.process("inventory serve");
    let logged = || async {
        process
            .last_lines(20)
            .iter()
            .any(|line| line.contains("/products/~"))
    };
    eventually("the line in the log", logged).await;
    let wrong = service.ask(Method::PUT, "/products/", &[]).await;
    wrong.problem(405, "method-not-allowed");
    assert_eq!(wrong.header("allow"), "GET, HEAD, POST");
}

#[tokio::test]
async fn a_key_belongs_to_a_path_however_it_is_spelled() {
    let service = Service::start().await;
    let body = json!({ "name": "Tea", "price": "1", "quantity": 1 }).to_string();
    let mut ids = Vec::new();
    for path in ["/products/", "/%70roducts", "/products"] {
        let answer = service
            .send(Method::POST, path, &[("idempotency-key", "one")], &body)
            .await
            .expect(201);
        assert_eq!(
            answer.header("idempotent-replayed") == "true",
            !ids.is_empty(),
            "{path}"
        );
        let id = answer.json()["id"].clone();
        assert_eq!(
            answer.header("location"),
            format!("/products/{}", id.as_str().unwrap())
        );
        ids.push(id);
    }
    ids.dedup();
    assert_eq!(ids.len(), 1, "{ids:?}");
}
