//! Which host names and which pages may reach the service, and what its own pages may do.

use reqwest::Method;

use crate::harness::{Answer, Service};

const PRODUCT: &str = r#"{"name":"Tea","price":1,"quantity":1}"#;
const SHOP: &str = "https://shop.example";
const UNKNOWN: &str = "/products/01932c4e-7c1a-7000-8000-2f0d6a1b9c3e";
const COUNT: &str = "/products/01932c4e-7c1a-7000-8000-2f0d6a1b9c3e/stock";
const CHANGES: [(Method, &str); 4] = [
    (Method::POST, "/products"),
    (Method::PUT, COUNT),
    (Method::PATCH, UNKNOWN),
    (Method::DELETE, UNKNOWN),
];

async fn called(service: &Service, host: &str, path: &str) -> Answer {
    service.get_with(path, &[("host", host)]).await
}

#[tokio::test]
async fn a_name_that_resolves_to_this_machine_does_not_reach_the_service() {
    let service = Service::start().await;
    for host in [
        "evil.example",
        "evil.example:8000",
        "localhost.evil.example",
        "inventory",
    ] {
        for path in ["/products", "/docs", "/livez", "/nowhere"] {
            let problem = called(&service, host, path)
                .await
                .problem(421, "misdirected-request");
            assert!(
                problem["detail"]
                    .as_str()
                    .unwrap()
                    .contains("ALLOWED_HOSTS"),
                "{problem}"
            );
        }
        let headers = [("host", host), ("origin", &format!("http://{host}"))];
        let change = service
            .send(Method::POST, "/products", &headers, PRODUCT)
            .await;
        change.problem(421, "misdirected-request");
        let target = format!("GET http://{host}/products HTTP/1.1\r\nHost: localhost\r\n\r\n");
        let answer = service
            .raw(&target.replace("\r\n\r\n", "\r\nConnection: close\r\n\r\n"))
            .await;
        assert!(answer.starts_with("HTTP/1.1 421 "), "{answer}");
    }
    for host in [
        "localhost",
        "LOCALHOST.:1",
        "shop.localhost",
        "127.0.0.1",
        "127.1.2.3:80",
        "[::1]",
    ] {
        assert_eq!(
            called(&service, host, "/products").await.status,
            200,
            "{host}"
        );
    }
    assert_eq!(
        service.get("/products").await.body,
        "[]",
        "nothing was created"
    );
}

#[tokio::test]
async fn the_names_of_a_service_are_set() {
    let env = [
        ("ALLOWED_HOSTS", "inventory, Other.Example"),
        ("PUBLIC_URL", "https://shop.example/i"),
    ];
    let service = Service::start_with(&env).await;
    for host in [
        "inventory:8000",
        "other.example.",
        "shop.example",
        "localhost",
    ] {
        assert_eq!(
            called(&service, host, "/products").await.status,
            200,
            "{host}"
        );
    }
    assert_eq!(
        called(&service, "evil.example", "/products").await.status,
        421
    );
    let any = Service::start_with(&[("ALLOWED_HOSTS", "*")]).await;
    assert_eq!(called(&any, "evil.example", "/products").await.status, 200);
}

#[tokio::test]
async fn a_page_of_another_origin_changes_nothing() {
    let service = Service::start_with(&[("CORS_ORIGINS", SHOP)]).await;
    let own = service.system.inventory_url();
    for (method, path) in CHANGES {
        for headers in [
            vec![("origin", "https://evil.example")],
            vec![("origin", "null")],
            vec![
                ("origin", "http://localhost:3000"),
                ("sec-fetch-site", "same-site"),
            ],
            vec![("sec-fetch-site", "cross-site")],
        ] {
            let answer = service.send(method.clone(), path, &headers, PRODUCT).await;
            let problem = answer.problem(403, "forbidden-origin");
            assert!(
                problem["detail"].as_str().unwrap().contains("CORS_ORIGINS"),
                "{problem}"
            );
            assert_eq!(answer.header("access-control-allow-origin"), "");
        }
        for headers in [
            vec![],
            vec![("origin", own.as_str()), ("sec-fetch-site", "same-origin")],
            vec![("origin", SHOP), ("sec-fetch-site", "cross-site")],
        ] {
            let answer = service.send(method.clone(), path, &headers, PRODUCT).await;
            assert_ne!(answer.status, 403, "{method} {headers:?}");
        }
    }
    // A page that only reads gets an answer, and its browser hides the answer from the page.
    let read = service
        .get_with("/products", &[("origin", "https://evil.example")])
        .await;
    assert_eq!(
        (read.status, read.header("access-control-allow-origin")),
        (200, "")
    );
    assert_eq!(
        read.items().len(),
        3,
        "requests without a page, of its own page and of the listed page"
    );
}

#[tokio::test]
async fn a_page_for_people_does_what_it_is_for_and_nothing_else() {
    let service = Service::start_with(&[("PUBLIC_URL", "https://shop.example/inventory")]).await;
    for (path, script) in [
        ("/docs", "script-src 'sha256-"),
        ("/problems/not-found", "style-src 'sha256-"),
    ] {
        for _ in 0..2 {
            let page = service.get(path).await;
            assert!(
                page.header("content-type").starts_with("text/html"),
                "{path}"
            );
            let policy = page.header("content-security-policy");
            assert!(
                policy.starts_with("default-src 'none'; "),
                "{path}: {policy}"
            );
            assert!(
                policy.contains("frame-ancestors 'none'") && policy.contains(script),
                "{policy}"
            );
            assert!(
                !policy.contains("script-src 'unsafe") && !policy.contains("eval"),
                "{policy}"
            );
            assert_eq!(page.header("referrer-policy"), "no-referrer", "{path}");
            assert_eq!(page.header("x-content-type-options"), "nosniff", "{path}");
        }
    }
    let docs = service.get("/docs").await;
    let policy = docs.header("content-security-policy");
    assert!(
        policy.ends_with("connect-src 'self' https://shop.example"),
        "{policy}"
    );
    for path in ["/products", "/openapi.json", "/nowhere", "/livez"] {
        let answer = service.get(path).await;
        assert_eq!(answer.header("content-security-policy"), "", "{path}");
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
    }
}
