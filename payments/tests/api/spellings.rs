//! Values that mean the same are taken the same way in every spelling. A field with two values is
//! refused.

use reqwest::Method;

use crate::harness::Service;

#[tokio::test]
async fn a_member_given_twice_orders_nothing() {
    let service = Service::start(&[]).await;
    let product = service.inventory.product("1", 1);
    for path in ["/orders", "/orders/quote"] {
        for (members, field) in [
            (
                format!(r#""product_id":"{product}","quantity":1,"quantity":500"#),
                "#/quantity",
            ),
            (
                format!(r#""product_id":"{product}","quantity":1,"quantit\u0079":500"#),
                "#/quantity",
            ),
            (
                format!(r#""product_id":"{product}","product_id":"{product}","quantity":1"#),
                "#/product_id",
            ),
            (
                format!(r#""id":"{product}","id":null,"quantity":1"#),
                "#/id",
            ),
            (
                format!(r#""id":"{product}","product_id":"{product}","quantity":1"#),
                "#/id",
            ),
        ] {
            let answer = service.post(path, format!("{{{members}}}")).await;
            assert_eq!(answer.invalid_fields(), [field], "{members}");
        }
    }
    assert_eq!(service.count_orders().await, 0);
}

#[tokio::test]
async fn one_of_the_two_names_of_the_product_may_be_null() {
    let service = Service::start(&[]).await;
    let product = service.inventory.product("1", 1);
    for names in [
        format!(r#""product_id":"{product}","id":null"#),
        format!(r#""product_id":null,"id":"{product}""#),
    ] {
        let placed = service
            .post("/orders", format!(r#"{{{names},"quantity":1}}"#))
            .await;
        placed.created_id();
        assert_eq!(placed.json()["product_id"], product.to_string(), "{names}");
    }
    for names in [r#""product_id":null,"id":null"#, r#""id":null"#] {
        let answer = service
            .post("/orders", format!(r#"{{{names},"quantity":1}}"#))
            .await;
        assert_eq!(answer.invalid_fields(), ["#/product_id"], "{names}");
        assert_eq!(answer.json()["errors"][0]["detail"], "is missing");
    }
}

#[tokio::test]
async fn the_same_order_in_another_spelling_is_the_same_intent() {
    let service = Service::start(&[]).await;
    let product = service.inventory.product("1E+2", 1);
    let first = service.order_with_key("k", product, 5).await;
    first.created_id();
    assert!(first.body.contains("\"price\":100.00,"), "{first:?}");
    for quantity in ["5.0", "5e0", "\"5\"", "500E-2"] {
        let body = format!(r#"{{"quantity":{quantity},"product_id":null,"id":"{product}"}}"#);
        let key = [("idempotency-key", "k")];
        let again = service.send(Method::POST, "/orders", &key, &body).await;
        assert_eq!(
            (again.created_id(), again.header("idempotent-replayed")),
            (first.created_id(), "true")
        );
    }
    assert_eq!(service.count_orders().await, 1);
}

#[tokio::test]
async fn a_time_is_its_value_at_every_offset() {
    let service = Service::start(&[]).await;
    let product = service.inventory.product("1", 1);
    let order = service.order(product, 1).await.json();
    let at = order["created_at"]
        .as_str()
        .unwrap()
        .strip_suffix('Z')
        .unwrap();
    let count = async |query: &str| {
        let list = service.get(&format!("/orders?{query}")).await;
        list.expect(200).items().len()
    };
    // An hour to the east the same digits are an hour earlier.
    for (offset, after, before) in [
        ("Z", 0, 0),
        ("z", 0, 0),
        ("%2B00:00", 0, 0),
        ("-00:00", 0, 0),
        ("+00:00", 0, 0),
        ("%2B01:00", 1, 0),
        ("+01:00", 1, 0),
        ("-01:00", 0, 1),
    ] {
        let found = count(&format!("created_after={at}{offset}")).await;
        assert_eq!(found, after, "{offset}");
        let found = count(&format!("created_before={at}{offset}")).await;
        assert_eq!(found, before, "{offset}");
    }
    // The order is before the middle of its millisecond.
    assert_eq!(count(&format!("created_before={at}5Z")).await, 1);
    assert_eq!(count(&format!("created_after={at}5Z")).await, 0);
    for (after, before) in [
        ("1969-12-31T23:59:59Z", "9999-12-31T23:59:59.9999Z"),
        ("0001-01-01t00:00:00z", "2999-12-31+23:59:60Z"),
    ] {
        assert_eq!(
            count(&format!("created_after={after}&created_before={before}")).await,
            1
        );
        assert_eq!(count(&format!("created_after={before}")).await, 0);
        assert_eq!(count(&format!("created_before={after}")).await, 0);
    }
    for time in [
        "2026-11-20T10:00:00%2B0100",
        "2026-11-20T10:00:00",
        "2026-11-20T10:00:00%2B24:00",
    ] {
        let answer = service.get(&format!("/orders?created_after={time}")).await;
        answer.problem(400, "invalid-parameter");
    }
}

#[tokio::test]
async fn a_list_is_the_same_at_every_offset_and_has_100_orders_on_a_page() {
    let service = Service::start(&[]).await;
    let product = service.inventory.product("1", 1);
    futures_util::future::join_all((0..101).map(|_| service.order(product, 1))).await;
    let page = service
        .get("/orders?created_after=2020-01-01T01:00:00%2B01:00")
        .await;
    assert_eq!(page.items().len(), 100);
    let link = page.next_page().unwrap();
    let (_, cursor) = link.split_once("cursor=").unwrap();
    let next = service
        .get(&format!(
            "/orders?created_after=2020-01-01T00:00:00Z&cursor={cursor}"
        ))
        .await;
    assert_eq!(next.items().len(), 1, "{next:?}");
}

/// Behind a proxy that serves payments under another path.
#[tokio::test]
async fn every_reference_leads_to_the_public_url() {
    let public = "https://shop.example/payments";
    let service = Service::start(&[("PUBLIC_URL", "https://shop.example/payments/")]).await;
    let product = service.inventory.product("1", 1);
    let placed = service.order(product, 1).await;
    let id = placed.created_id();
    assert_eq!(placed.header("location"), format!("{public}/orders/{id}"));
    service.order(product, 1).await.created_id();
    let link = service
        .get("/orders?limit=1")
        .await
        .header("link")
        .to_owned();
    assert!(
        link.starts_with(&format!("<{public}/orders?limit=1&cursor=")),
        "{link}"
    );
    let problem = service.get("/nowhere?x=1").await.json();
    assert_eq!(problem["type"], format!("{public}/problems/not-found"));
    assert_eq!(problem["instance"], format!("{public}/nowhere"));
    let document = service.get("/openapi.json").await.json();
    assert_eq!(document["servers"], serde_json::json!([{ "url": public }]));
    assert!(
        service
            .get("/docs")
            .await
            .body
            .contains(&format!("\"url\": \"{public}\""))
    );
    assert!(
        !service
            .get("/problems/not-found")
            .await
            .body
            .contains("\"/docs\"")
    );

    let plain = Service::start(&[("PUBLIC_URL", "")]).await;
    let product = plain.inventory.product("1", 1);
    let placed = plain.order(product, 1).await;
    assert_eq!(
        placed.header("location"),
        format!("/orders/{}", placed.created_id())
    );
    assert_eq!(
        plain.get("/openapi.json").await.json()["servers"],
        serde_json::json!([])
    );
}
