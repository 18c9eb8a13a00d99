//! What is wrong with a parameter, in words that a client of the API understands.

use reqwest::Method;

use crate::harness::Service;

const ID: &str = "01932c4e-7c1a-7000-8000-2f0d6a1b9c3e";

#[tokio::test]
async fn a_parameter_that_cannot_be_read_is_explained() {
    let service = Service::start(&[]).await;
    let (orders, order) = ("/orders".to_owned(), format!("/orders/{ID}"));
    let limit = "limit: must be a whole number between 1 and 100";
    let status = "status: must be pending, paid, cancelled or refunded, with commas between";
    let product = format!("product_id: expected a UUID such as {ID}");
    let time = "must be a time such as 2026-11-20T10:00:00.123Z, or with an offset \
                2026-11-20T11:00:00%2B01:00";
    let (after, before) = (
        format!("created_after: {time}"),
        format!("created_before: {time}"),
    );
    let timeout = "timeout: must be a whole number of seconds between 1 and 30";
    for (path, query, detail) in [
        (&orders, "limit=0", limit),
        (&orders, "status=gone", status),
        (&orders, "status=paid,", status),
        (&orders, "product_id=7", &product),
        (&orders, "created_after=yesterday", &after),
        (&orders, "created_before=", &before),
        (&order, "wait=for-ever", "wait: must be final"),
        (&order, "wait=final&timeout=x", timeout),
        (&order, "wait=final&timeout=0", timeout),
        (&order, "wait=final&timeout=31", timeout),
        (&order, "timeout=1.5", timeout),
        (
            &orders,
            "status=paid&status=pending",
            "status: must be given once",
        ),
        (&orders, "limit=1&limit=2", "limit: must be given once"),
        (&orders, "cursor=a&cursor=b", "cursor: must be given once"),
        (
            &orders,
            &format!("product_id={ID}&product_id={ID}"),
            "product_id: must be given once",
        ),
        (
            &orders,
            "created_after=x&created_after=y",
            "created_after: must be given once",
        ),
        (
            &orders,
            "created_before=x&created_before=y",
            "created_before: must be given once",
        ),
        (&order, "wait=final&wait=final", "wait: must be given once"),
        (&order, "timeout=1&timeout=1", "timeout: must be given once"),
    ] {
        let problem = service.get(&format!("{path}?{query}")).await;
        let problem = problem.problem(400, "invalid-parameter");
        assert_eq!(problem["detail"], detail, "{query}");
    }
}

#[tokio::test]
async fn a_parameter_that_there_is_not_is_named_and_so_is_the_nearest() {
    let service = Service::start(&[]).await;
    let product = service.inventory.product("1", 1);
    let body = format!(r#"{{"product_id":"{product}","quantity":1}}"#);
    let order = service.order(product, 1).await.created_id();
    let (get, post) = (Method::GET, Method::POST);
    let all = "limit, cursor, status, product_id, created_after, created_before";
    let takes = "there is no such parameter; this operation takes";
    let mean = |name: &str| format!("there is no such parameter; did you mean {name}?");
    for (method, path, detail) in [
        (
            &get,
            "/orders?stauts=cancelled",
            format!("stauts: {}", mean("status")),
        ),
        (&get, "/orders?page=2", format!("page: {takes} {all}")),
        (
            &get,
            "/orders?limit=1&productId=x",
            format!("productId: {}", mean("product_id")),
        ),
        (
            &get,
            "/orders/stream?last-event-id=1",
            format!("last-event-id: {}", mean("lastEventId")),
        ),
        (
            &get,
            &format!("/orders/{order}?Wait=final"),
            format!("Wait: {}", mean("wait")),
        ),
        (
            &get,
            &format!("/orders/{order}/timeline?x=1"),
            format!("x: {takes} none"),
        ),
        (&post, "/orders?x=1", format!("x: {takes} none")),
        (&post, "/orders/quote?dry=1", format!("dry: {takes} none")),
        (
            &post,
            &format!("/orders/{order}/cancel?reason=x"),
            format!("reason: {takes} none"),
        ),
    ] {
        let answer = service.send(method.clone(), path, &[], &body).await;
        let problem = answer.problem(400, "invalid-parameter");
        assert_eq!(problem["detail"], detail, "{path}");
    }
    let orders = service.get("/orders").await.json();
    assert_eq!(orders.as_array().unwrap().len(), 1, "nothing was placed");
    assert_eq!(orders[0]["status"], "pending", "nothing was cancelled");
}

#[tokio::test]
async fn a_key_that_cannot_be_read_is_explained() {
    let service = Service::start(&[]).await;
    for path in ["/orders", "/orders/quote", &format!("/orders/{ID}/cancel")] {
        let answer = service
            .ask(Method::POST, path, &[("idempotency-key", "a b")])
            .await;
        let problem = answer.problem(400, "invalid-parameter");
        let detail = "Idempotency-Key: must have between 1 and 255 visible ASCII characters";
        assert_eq!(problem["detail"], detail, "{path}");
    }
}
