//! What is wrong with a parameter, in words for those who call the API.

use crate::harness::Service;

const ID: &str = "01932c4e-7c1a-7000-8000-2f0d6a1b9c3e";

#[tokio::test]
async fn a_parameter_that_cannot_be_read_is_explained() {
    let service = Service::start().await;
    let product = service.create("Tea").await;
    let (products, movements) = ("/products".to_owned(), format!("/products/{product}/movements"));
    let limit = "limit: must be a whole number between 1 and 100";
    let sort = "sort: must be -created_at or name";
    let prefix = "q: must have at most 200 characters and no control characters";
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
        (&products, "q=%00", prefix),
        (&products, "in_stock=maybe", stock),
        (&products, "in_stock=", stock),
        (&products, "in_stock=TRUE", stock),
        (&movements, "order_id=7", &order),
        (&movements, "order_id=", &order),
        (&products, "sort=name&sort=name", "sort: must be given once"),
        (&products, "limit=1&q=T&limit=x", "limit: must be given once"),
        (&products, "q=a&%71=b", "q: must be given once"),
        (&products, "in_stock=true&in_stock", "in_stock: must be given once"),
        (&products, "cursor=&cursor=", "cursor: must be given once"),
        (&movements, &format!("order_id={ID}&order_id={ID}"), "order_id: must be given once"),
    ] {
        let answer = service.get(&format!("{list}?{query}")).await;
        let problem = answer.problem(400, "invalid-parameter");
        assert_eq!(problem["detail"], detail, "{query}");
    }
    // What nobody reads may stand there as often as it likes.
    assert_eq!(service.get("/products?_=1&_=2&Limit=x").await.status, 200);
}

#[tokio::test]
async fn a_key_that_cannot_be_read_is_explained() {
    let service = Service::start().await;
    let restock = format!("/products/{}/restock", service.create("Tea").await);
    for path in ["/products", &restock] {
        let answer = service.send(reqwest::Method::POST, path, &[("idempotency-key", "a b")], "{}");
        let problem = answer.await.problem(400, "invalid-parameter");
        let detail = "Idempotency-Key: must have between 1 and 255 visible ASCII characters";
        assert_eq!(problem["detail"], detail, "{path}");
    }
}
