//! What is wrong with a parameter, in words that a client of the API understands.

use reqwest::Method;

use crate::harness::{Answer, Service};

const ID: &str = "01932c4e-7c1a-7000-8000-2f0d6a1b9c3e";

#[tokio::test]
async fn a_parameter_that_cannot_be_read_is_explained() {
    let service = Service::start().await;
    let product = service.create("Tea").await;
    let (products, movements) = (
        "/products".to_owned(),
        format!("/products/{product}/movements"),
    );
    let limit = "limit: must be a whole number between 1 and 100";
    let sort = "sort: must be -created_at or name";
    let prefix = "q: must have at most 200 characters";
    let controls =
        "q: must have no control characters, line breaks or bidirectional controls: it has U+0000";
    let stock = "in_stock: must be true or false";
    let order = format!("order_id: expected a UUID such as {ID}");
    let long = "x".repeat(201);
    for (list, query, detail) in [
        (&products, "limit=0", limit),
        (&products, "limit=x", limit),
        (&movements, "limit=101", limit),
        (&products, "sort=price", sort),
        (&products, "sort=", sort),
        (&products, &format!("q={long}"), prefix),
        (&products, "q=%00", controls),
        (&products, "in_stock=maybe", stock),
        (&products, "in_stock=", stock),
        (&products, "in_stock=TRUE", stock),
        (&movements, "order_id=7", &order),
        (&movements, "order_id=", &order),
        (&products, "sort=name&sort=name", "sort: must be given once"),
        (
            &products,
            "limit=1&q=T&limit=x",
            "limit: must be given once",
        ),
        (&products, "q=a&%71=b", "q: must be given once"),
        (
            &products,
            "in_stock=true&in_stock",
            "in_stock: must be given once",
        ),
        (&products, "cursor=&cursor=", "cursor: must be given once"),
        (
            &movements,
            &format!("order_id={ID}&order_id={ID}"),
            "order_id: must be given once",
        ),
    ] {
        let answer = service.get(&format!("{list}?{query}")).await;
        let problem = answer.problem(400, "invalid-parameter");
        assert_eq!(problem["detail"], detail, "{query}");
    }
    let missing = service
        .get("/admin/outcomes")
        .await
        .problem(400, "invalid-parameter");
    let detail = "orders: must be given, and must be 1 to 100 ids of orders, with commas between";
    assert_eq!(missing["detail"], detail);
}

#[tokio::test]
async fn a_parameter_that_there_is_not_is_named_and_so_is_the_nearest() {
    let service = Service::start().await;
    let product = format!("/products/{}", service.create("Tea").await);
    let takes = "there is no such parameter; this operation takes";
    let list = format!("page: {takes} limit, cursor, q, in_stock, sort");
    for (path, detail) in [
        ("/products?page=2", list.as_str()),
        (
            "/products?Limit=x",
            "Limit: there is no such parameter; did you mean limit?",
        ),
        (
            "/products?inStock=1",
            "inStock: there is no such parameter; did you mean in_stock?",
        ),
        (
            "/products?limit=1&sorted=name",
            "sorted: there is no such parameter; did you mean sort?",
        ),
        (
            "/products?_=1&_=2",
            &format!("_: {takes} limit, cursor, q, in_stock, sort"),
        ),
        (
            "/products/stream?page=1",
            &format!("page: {takes} lastEventId, r"),
        ),
        (
            "/admin/outcomes?order=x",
            "order: there is no such parameter; did you mean orders?",
        ),
        (&format!("{product}?x"), &format!("x: {takes} none")),
    ] {
        let problem = service.get(path).await.problem(400, "invalid-parameter");
        assert_eq!(problem["detail"], detail, "{path}");
        let head = service.head(path).await;
        assert_eq!(head.status, 400, "{path}");
    }
    let body = r#"{"name":"Ink","price":1,"quantity":1}"#;
    let refused = service.post("/products?dry_run=true", body).await;
    refused.problem(400, "invalid-parameter");
    let refused = service.delete(&format!("{product}?force=true")).await;
    refused.problem(400, "invalid-parameter");
    let rest = service.get("/products?&limit=1&&sort=name&").await;
    assert_eq!((rest.status, rest.items().len()), (200, 1), "{rest:?}");
    service
        .get("/products?q=%ff")
        .await
        .problem(400, "invalid-parameter");
}

#[tokio::test]
async fn pages_and_probes_take_any_query() {
    let service = Service::start().await;
    for path in [
        "/livez?verbose",
        "/readyz?_=1",
        "/version?x=%ff",
        "/docs?x",
        "/openapi.json?v=2",
        "/problems/not-found?x=1",
    ] {
        assert_eq!(service.get(path).await.status, 200, "{path}");
    }
    let preflight = service.request(Method::OPTIONS, "/products?x=1");
    assert_eq!(Answer::to(preflight).await.status, 204);
}

#[tokio::test]
async fn a_key_that_cannot_be_read_is_explained() {
    let service = Service::start().await;
    let restock = format!("/products/{}/restock", service.create("Tea").await);
    for path in ["/products", &restock] {
        let answer = service.send(Method::POST, path, &[("idempotency-key", "a b")], "{}");
        let problem = answer.await.problem(400, "invalid-parameter");
        let detail = "Idempotency-Key: must have between 1 and 255 visible ASCII characters";
        assert_eq!(problem["detail"], detail, "{path}");
    }
}
