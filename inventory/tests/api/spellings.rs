//! Values that mean the same are taken the same way in every spelling. A field with two values is
//! refused.

use reqwest::Method;
use serde_json::json;

use crate::harness::{Answer, Service};

async fn create(service: &Service, price: &str, quantity: &str) -> Answer {
    let body = format!(r#"{{"name":"Tea","price":{price},"quantity":{quantity}}}"#);
    service.post("/products", body).await.expect(201)
}

#[tokio::test]
async fn a_price_is_its_value_in_every_spelling_of_json() {
    let service = Service::start().await;
    for (price, shown) in [
        ("1E+2", "100.00"),
        ("1.23456789E7", "12345678.90"),
        ("19.900", "19.90"),
        ("1990e-2", "19.90"),
        ("-0.0", "0.00"),
        ("0E-10", "0.00"),
        ("9.99999999999e9", "9999999999.99"),
    ] {
        for price in [price.to_owned(), format!("\"{price}\"")] {
            let created = create(&service, &price, "1").await;
            assert!(
                created.body.contains(&format!("\"price\":{shown},")),
                "{price}: {created:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_quantity_is_whole_by_its_value() {
    let service = Service::start().await;
    for (quantity, number) in [
        ("5.0", 5),
        ("5e0", 5),
        ("1E+3", 1_000),
        ("500e-2", 5),
        ("-0", 0),
    ] {
        for quantity in [quantity.to_owned(), format!("\"{quantity}\"")] {
            assert_eq!(
                create(&service, "1", &quantity).await.json()["quantity"],
                number
            );
        }
    }
}

/// A body with this field twice is refused because of it.
async fn assert_given_twice(
    service: &Service,
    method: Method,
    path: &str,
    body: &str,
    field: &str,
) {
    let condition: &[_] = if method == Method::PUT {
        &[("if-match", "*")]
    } else {
        &[]
    };
    let answer = service.send(method, path, condition, body).await;
    assert_eq!(answer.invalid_fields(), [field], "{body}");
    // For an unknown field the detail differs.
    if field != "#/x" {
        let detail = &answer.json()["errors"][0]["detail"];
        assert_eq!(detail, "is given more than once: give it once", "{body}");
    }
}

#[tokio::test]
async fn a_member_given_twice_is_refused_in_every_body() {
    let service = Service::start().await;
    let id = service.create("Tea").await;
    let product = format!("/products/{id}");
    let (restock, stock) = (format!("{product}/restock"), format!("{product}/stock"));
    let order = "01932c4e-7c1a-7000-8000-2f0d6a1b9c3e";
    let release = format!(r#"{{"order_id":"{order}","product_id":"{id}","order_id":"{order}"}}"#);
    for (method, path, body, field) in [
        (
            Method::POST,
            "/products",
            r#"{"name":"a","price":1,"quantity":1,"quantity":500}"#,
            "#/quantity",
        ),
        (
            Method::POST,
            "/products",
            r#"{"name":"a","n\u0061me":"a","price":1,"quantity":1}"#,
            "#/name",
        ),
        (
            Method::POST,
            "/products",
            r#"{"name":"a","price":1,"quantity":1,"x":1,"x":1}"#,
            "#/x",
        ),
        (
            Method::PATCH,
            &product,
            r#"{"price":1,"price":2}"#,
            "#/price",
        ),
        (
            Method::PATCH,
            &product,
            r#"{"name":null,"name":"b"}"#,
            "#/name",
        ),
        (
            Method::POST,
            &restock,
            r#"{"quantity":1,"quantit\u0079":1}"#,
            "#/quantity",
        ),
        (
            Method::POST,
            &restock,
            r#"{"quantity":1,"note":null,"note":"a"}"#,
            "#/note",
        ),
        (
            Method::PUT,
            &stock,
            r#"{"quantity":1,"quantity":1,"quantity":1}"#,
            "#/quantity",
        ),
        (Method::POST, "/admin/releases", &release, "#/order_id"),
    ] {
        assert_given_twice(&service, method, path, body, field).await;
    }
    let found = service.get(&product).await.json();
    assert_eq!(
        (&found["version"], &found["quantity"]),
        (&json!(1), &json!(1)),
        "nothing changed"
    );
}

#[tokio::test]
async fn null_is_as_if_an_optional_field_were_left_out_but_removes_nothing() {
    let service = Service::start().await;
    let product = format!("/products/{}", service.create("Tea").await);
    let restock = format!("{product}/restock");
    service
        .post(&restock, r#"{"quantity":1,"note":null}"#)
        .await
        .expect(200);
    let (stock, body) = (format!("{product}/stock"), r#"{"quantity":3,"note":null}"#);
    service
        .send(Method::PUT, &stock, &[("if-match", "*")], body)
        .await
        .expect(200);
    let movements = service.get(&format!("{product}/movements")).await.items();
    assert!(
        movements
            .iter()
            .all(|movement| movement.get("note").is_none())
    );
    let removed = service
        .send(Method::PATCH, &product, &[], r#"{"name":null}"#)
        .await;
    assert_eq!(removed.invalid_fields(), ["#/name"]);
    assert_eq!(removed.json()["errors"][0]["detail"], "cannot be removed");
}

#[tokio::test]
async fn the_same_request_in_another_spelling_is_the_same_intent() {
    let service = Service::start().await;
    let create = |body: &'static str| {
        service.send(Method::POST, "/products", &[("idempotency-key", "k")], body)
    };
    let first = create(r#"{"name":"Éclair","price":100,"quantity":5}"#)
        .await
        .expect(201);
    for body in [
        r#"{"quantity":"5.0","price":1E+2,"name":" E\u0301clair "}"#,
        "\u{feff}{\"name\":\"\\u00c9clair\",\"price\":\"100.000\",\"quantity\":5e0}",
    ] {
        let again = create(body).await;
        assert_eq!((again.status, &again.body), (201, &first.body), "{body}");
        assert_eq!(again.header("idempotent-replayed"), "true");
    }
    create(r#"{"name":"Éclair","price":100.01,"quantity":5}"#)
        .await
        .problem(422, "idempotency-key-reused");
}

#[tokio::test]
async fn a_body_is_utf_8_as_it_is() {
    let service = Service::start().await;
    let body = r#"{"name":"Tea","price":1,"quantity":1}"#;
    for coding in ["gzip", "br", "identity, gzip", "x"] {
        let answer = service
            .send(
                Method::POST,
                "/products",
                &[("content-encoding", coding)],
                body,
            )
            .await;
        let problem = answer.problem(415, "unsupported-media-type");
        assert!(
            problem["detail"].as_str().unwrap().contains(coding),
            "{problem}"
        );
        assert_eq!(answer.header("accept-encoding"), "identity");
    }
    service
        .send(
            Method::POST,
            "/products",
            &[("content-encoding", "identity")],
            body,
        )
        .await
        .expect(201);
    for (content_type, status) in [
        ("application/json; charset=\"UTF-8\"", 201),
        ("application/json;charset=us-ascii; x=y", 201),
        ("application/json; charset=utf-16", 415),
        ("application/json; charset=iso-8859-1", 415),
    ] {
        let request = service
            .request(Method::POST, "/products")
            .header("content-type", content_type);
        let answer = Answer::to(request.body(body)).await;
        assert_eq!(answer.status, status, "{content_type}: {answer:?}");
        assert_eq!(
            answer.header("accept-encoding"),
            "",
            "the coding was not the fault"
        );
    }
    let twice = service
        .request(Method::POST, "/products")
        .header("content-type", "application/json");
    let twice = Answer::to(twice.header("content-type", "text/plain").body(body)).await;
    twice.problem(415, "unsupported-media-type");

    let marked = [b"\xef\xbb\xbf", body.as_bytes()].concat();
    assert_eq!(
        service.post("/products", marked).await.status,
        201,
        "a byte order mark says nothing"
    );
    let wide = |bytes: fn(u16) -> [u8; 2]| body.encode_utf16().flat_map(bytes).collect::<Vec<u8>>();
    let (little, big) = (wide(u16::to_le_bytes), wide(u16::to_be_bytes));
    let marked = [b"\xff\xfe".to_vec(), little.clone()].concat();
    for body in [little, big, marked] {
        let problem = service
            .post("/products", body)
            .await
            .problem(400, "malformed-body");
        assert_eq!(
            problem["detail"],
            "the body is UTF-16 or UTF-32: send UTF-8"
        );
    }
}
