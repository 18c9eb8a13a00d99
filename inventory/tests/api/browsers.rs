//! Pages of other origins, and the methods that browsers and proxies use by themselves.

use reqwest::Method;

use crate::harness::{Answer, Service};

const SHOP: &str = "https://shop.example";
const UNKNOWN: &str = "/products/01932c4e-7c1a-7000-8000-2f0d6a1b9c3e";

async fn preflight(service: &Service, path: &str, origin: &str) -> Answer {
    let headers = [
        ("origin", origin),
        ("access-control-request-headers", "content-type,if-match"),
        ("access-control-request-method", "POST"),
    ];
    service.ask(Method::OPTIONS, path, &headers).await
}

fn speaks_of_origins(answer: &Answer) -> bool {
    answer
        .headers
        .keys()
        .any(|name| name.as_str().starts_with("access-control-"))
}

#[tokio::test]
async fn a_listed_origin_may_read_every_answer() {
    let origins = "https://shop.example, http://localhost:3000";
    let service = Service::start_with(&[("CORS_ORIGINS", origins)]).await;
    for (method, path, status) in [
        (Method::GET, "/products", 200),
        (Method::HEAD, "/products", 200),
        (Method::GET, "/livez", 200),
        (Method::GET, "/openapi.json", 200),
        (Method::GET, UNKNOWN, 404),
        (Method::GET, "/nowhere", 404),
        (Method::PUT, "/products", 405),
        (Method::POST, "/products", 415),
    ] {
        for origin in [SHOP, "http://localhost:3000"] {
            let answer = service
                .ask(method.clone(), path, &[("origin", origin)])
                .await;
            assert_eq!(answer.status, status, "{method} {path}");
            assert_eq!(
                answer.header("access-control-allow-origin"),
                origin,
                "{method} {path}"
            );
            let varies: Vec<_> = answer.headers.get_all("vary").iter().collect();
            assert!(
                varies.iter().any(|value| *value == "Origin"),
                "{method} {path}: {varies:?}"
            );
            let exposed = answer
                .header("access-control-expose-headers")
                .to_lowercase();
            let exposed: Vec<&str> = exposed.split(", ").collect();
            for name in [
                "allow",
                "etag",
                "idempotent-replayed",
                "link",
                "location",
                "ratelimit",
                "ratelimit-policy",
                "retry-after",
                "x-request-id",
            ] {
                assert!(exposed.contains(&name), "{name}: {exposed:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_origin_that_is_not_listed_is_served_and_told_nothing() {
    let service = Service::start_with(&[("CORS_ORIGINS", SHOP)]).await;
    for origin in [
        "https://evil.example",
        "http://shop.example",
        "https://shop.example:8443",
        "null",
        "",
    ] {
        let answer = service.get_with("/products", &[("origin", origin)]).await;
        assert_eq!(
            (answer.status, answer.body.as_str()),
            (200, "[]"),
            "{origin}"
        );
        assert!(!speaks_of_origins(&answer), "{origin}: {answer:?}");
        assert_eq!(
            answer.header("vary"),
            "Origin",
            "a cache must keep the answers apart"
        );
        let answer = preflight(&service, "/products", origin).await;
        assert!(!speaks_of_origins(&answer), "{origin}: {answer:?}");
    }
    let closed = Service::start().await;
    let answer = closed.get_with("/products", &[("origin", SHOP)]).await;
    assert!(answer.status == 200 && !speaks_of_origins(&answer));
    assert_eq!(answer.header("vary"), "");
}

#[tokio::test]
async fn a_preflight_is_told_what_the_path_allows() {
    let service = Service::start_with(&[("CORS_ORIGINS", SHOP)]).await;
    for (path, methods) in [
        ("/products", "GET, HEAD, POST"),
        ("/products/", "GET, HEAD, POST"),
        ("/%70roducts", "GET, HEAD, POST"),
        (UNKNOWN, "DELETE, GET, HEAD, PATCH"),
        ("/products/stream", "GET, HEAD"),
        ("/docs", "GET, HEAD"),
    ] {
        let answer = preflight(&service, path, SHOP).await;
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{path}");
        assert_eq!(answer.header("access-control-allow-origin"), SHOP);
        assert_eq!(
            answer.header("access-control-allow-methods"),
            methods,
            "{path}"
        );
        assert_eq!(
            answer.header("access-control-allow-headers"),
            "content-type,if-match"
        );
        let varies: Vec<_> = answer.headers.get_all("vary").iter().collect();
        assert_eq!(varies, ["Origin", "Access-Control-Request-Headers"]);
        assert_eq!(answer.header("access-control-max-age"), "600");
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
    let nowhere = preflight(&service, "/nowhere", SHOP).await;
    nowhere.problem(404, "not-found");
    assert_eq!(nowhere.header("access-control-allow-origin"), SHOP);
}

/// `*` covers every header except `Authorization`, which a proxy in front of the API may ask for.
#[tokio::test]
async fn a_preflight_is_told_every_header_that_it_asks_for() {
    let service = Service::start_with(&[("CORS_ORIGINS", "*")]).await;
    for (asked, told) in [
        ("authorization", "authorization"),
        (
            "Authorization, X-Tenant,content-type",
            "Authorization, X-Tenant,content-type",
        ),
        ("a b", ""),
        ("x: y", ""),
        (&"x".repeat(1_025), ""),
    ] {
        let headers = [
            ("origin", SHOP),
            ("access-control-request-method", "POST"),
            ("access-control-request-headers", asked),
        ];
        let answer = service.ask(Method::OPTIONS, "/products", &headers).await;
        assert_eq!(answer.status, 204, "{asked}");
        assert_eq!(
            answer.header("access-control-allow-headers"),
            told,
            "{asked}"
        );
        assert_eq!(answer.header("vary"), "Access-Control-Request-Headers");
        assert_eq!(answer.header("access-control-allow-credentials"), "");
    }
}

#[tokio::test]
async fn everybody_is_allowed_where_the_setting_says_so() {
    let service = Service::start_with(&[("CORS_ORIGINS", "*")]).await;
    for origin in [SHOP, "null"] {
        let answer = service.get_with("/products", &[("origin", origin)]).await;
        assert_eq!(
            answer.header("access-control-allow-origin"),
            "*",
            "{origin}"
        );
        assert_eq!(answer.header("vary"), "");
    }
    assert!(
        !speaks_of_origins(&service.get("/products").await),
        "the request has no origin"
    );
}

#[tokio::test]
async fn every_path_may_be_asked_for_its_head_and_its_methods() {
    let service = Service::start().await;
    service.create("Tea").await;
    for path in [
        "/products",
        "/openapi.json",
        "/docs",
        "/livez",
        "/readyz",
        "/version",
    ] {
        let get = service.get(path).await;
        let head = service.head(path).await;
        assert_eq!(
            (head.status, head.body.as_str()),
            (get.status, ""),
            "{path}"
        );
        for name in ["content-type", "etag", "cache-control"] {
            assert_eq!(head.header(name), get.header(name), "{name} of {path}");
        }
        let options = service.ask(Method::OPTIONS, path, &[]).await;
        assert_eq!((options.status, options.body.as_str()), (204, ""), "{path}");
        assert!(
            options.header("allow").starts_with("GET, HEAD"),
            "{path}: {options:?}"
        );
    }
    let gone = service.head(UNKNOWN).await;
    assert_eq!((gone.status, gone.body.as_str()), (404, ""));
    let nowhere = service.ask(Method::OPTIONS, "/nowhere", &[]).await;
    nowhere.problem(404, "not-found");
    let request = "OPTIONS * HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let everywhere = service.raw(request).await;
    assert!(everywhere.starts_with("HTTP/1.1 204 "), "{everywhere}");
    assert!(
        everywhere.contains("\r\nallow: DELETE, GET, HEAD, PATCH, POST, PUT\r\n"),
        "{everywhere}"
    );
}
