//! Paths, ids and methods that do not exist.

use reqwest::Method;

use crate::harness::{Answer, Service};

#[tokio::test]
async fn an_unknown_path_or_id_is_not_found() {
    let service = Service::start().await;
    let long = format!("/products/{}", "a".repeat(8_000));
    for path in [
        "/",
        "/nowhere",
        "/products/",
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
    // A proper client resolves these before it asks.
    for path in
        ["/products/%2e%2e", "/products/../x", "/products/..", "/../etc/passwd", "/products/."]
    {
        let answer = service
            .raw(&format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"))
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
        (Method::POST, &*format!("/products/{id}"), "DELETE, GET, HEAD, PATCH"),
        (Method::TRACE, "/products/x", "DELETE, GET, HEAD, PATCH"),
        (Method::DELETE, "/products/stream", "GET, HEAD"),
        (Method::POST, &*format!("/products/{id}/stock"), "PUT"),
        (Method::GET, &*format!("/products/{id}/restock"), "POST"),
        (Method::POST, "/livez", "GET, HEAD"),
        (Method::POST, "/docs", "GET, HEAD"),
        (Method::DELETE, "/problems/not-found", "GET, HEAD"),
    ] {
        let answer = Answer::to(service.request(method.clone(), path)).await;
        answer.problem(405, "method-not-allowed");
        assert_eq!(answer.header("allow"), allow, "{method} {path}");
    }
}
