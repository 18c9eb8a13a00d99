//! Products over HTTP are stored and shown exactly.

use futures_util::future::join_all;
use serde_json::json;

use crate::harness::Service;

#[tokio::test]
async fn a_product_is_created_read_listed_and_deleted() {
    let service = Service::start().await;
    let body = r#"{"name":"  Grüner Tee 🍵 ","price":19.9,"quantity":3}"#;
    let created = service.post("/products", body).await.expect(201);
    let product = created.json();
    let path = format!("/products/{}", product["id"].as_str().unwrap());
    assert_eq!(created.header("location"), path);
    assert_eq!(product["name"], "Grüner Tee 🍵");
    assert_eq!(product["quantity"], 3);
    assert_eq!(product["version"], 1);
    assert_eq!(product["created_at"], product["updated_at"]);

    let found = service.get(&path).await;
    assert_eq!(
        (found.status, &found.body, found.header("content-type")),
        (200, &created.body, "application/json")
    );
    let list = service.get("/products").await;
    assert_eq!((list.status, list.json()), (200, json!([product])));

    let deleted = service.delete(&path).await;
    assert_eq!((deleted.status, deleted.body.as_str()), (204, ""));
    service.get(&path).await.problem(404, "not-found");
    service.delete(&path).await.problem(404, "not-found");
    assert_eq!(service.get("/products").await.body, "[]");
}

#[tokio::test]
async fn money_is_exact_on_its_way_in_and_out() {
    let service = Service::start().await;
    for (sent, shown) in [
        ("19.9", "19.90"),
        ("19.90", "19.90"),
        (r#""19.90""#, "19.90"),
        (r#""19.9""#, "19.90"),
        ("0", "0.00"),
        (r#""0""#, "0.00"),
        ("0.01", "0.01"),
        ("0.1", "0.10"),
        ("0.29", "0.29"),
        ("1.10", "1.10"),
        ("4.35", "4.35"),
        ("90071992.99", "90071992.99"),
        ("9999999999.99", "9999999999.99"),
        (r#""9999999999.99""#, "9999999999.99"),
    ] {
        let body = format!(r#"{{"name":"Tea","price":{sent},"quantity":0}}"#);
        let created = service.post("/products", body).await;
        let shown = format!(r#""price":{shown},"#);
        assert_eq!(created.status, 201, "{sent}: {created:?}");
        assert!(created.body.contains(&shown), "{sent}: {}", created.body);
        let found = service.get(created.header("location")).await;
        assert!(found.body.contains(&shown), "{sent}: {}", found.body);
    }
}

#[tokio::test]
async fn names_and_quantities_are_taken_up_to_their_limits() {
    let service = Service::start().await;
    let longest = "é".repeat(200);
    for (name, quantity) in [
        ("x", 0),
        (longest.as_str(), 1_000_000_000),
        ("a\u{200d}\"\\/", 1),
    ] {
        let body = json!({ "quantity": quantity, "price": 1, "name": name });
        let created = service
            .post("/products", body.to_string())
            .await
            .expect(201);
        assert_eq!(created.json()["name"], name);
        assert_eq!(created.json()["quantity"], quantity);
    }
}

/// The Redis client takes certain short replies for push messages. If a reply began with one of
/// these names, the answers of requests would be swapped.
#[tokio::test]
async fn products_with_names_of_redis_pushes_disturb_nobody() {
    let service = Service::start().await;
    let names = [
        "message",
        "pmessage",
        "smessage",
        "subscribe",
        "unsubscribe",
        "psubscribe",
    ];
    let mut products = Vec::new();
    for name in names {
        products.push((name, service.create(name).await));
    }
    for _ in 0..10 {
        let reads = products.iter().map(|(name, id)| {
            let (service, path) = (&service, format!("/products/{id}"));
            async move {
                assert_eq!(service.get(&path).await.json()["name"], **name);
                assert_eq!(service.get("/products").await.items().len(), names.len());
            }
        });
        join_all(reads).await;
    }
    for (_, id) in &products {
        assert_eq!(service.delete(&format!("/products/{id}")).await.status, 204);
    }
}

#[tokio::test]
async fn head_answers_like_get_without_a_body() {
    let service = Service::start().await;
    let id = service.create("Tea").await;
    for path in [
        "/products",
        &format!("/products/{id}"),
        "/docs",
        "/openapi.json",
        "/livez",
    ] {
        let get = service.get(path).await;
        let head = service.head(path).await;
        assert_eq!((head.status, head.body.as_str()), (200, ""), "{path}");
        assert_eq!(
            head.header("content-type"),
            get.header("content-type"),
            "{path}"
        );
    }
    let missing = service.head("/nowhere").await;
    assert_eq!((missing.status, missing.body.as_str()), (404, ""));
}

#[tokio::test]
async fn a_quantity_may_be_the_text_of_a_number() {
    let service = Service::start().await;
    for (sent, stored) in [
        ("0", 0),
        ("\"0\"", 0),
        ("\"12\"", 12),
        ("\"1000000000\"", 1_000_000_000),
    ] {
        let body = format!(r#"{{"name":"Tea","price":"1","quantity":{sent}}}"#);
        let created = service.post("/products", body).await.expect(201);
        assert_eq!(created.json()["quantity"], stored, "{sent}");
    }
}

#[tokio::test]
async fn the_document_tells_what_a_new_product_may_be() {
    let service = Service::start().await;
    let document = service.get("/openapi.json").await.json();
    let schema = &document["components"]["schemas"]["NewProduct"];
    assert_eq!(schema["additionalProperties"], false);
    assert_eq!(schema["required"], json!(["name", "price", "quantity"]));
    assert_eq!(
        schema["properties"]["quantity"]["oneOf"][0]["maximum"],
        1_000_000_000.0
    );
    service
        .post("/products", schema["example"].to_string())
        .await
        .expect(201);
}
