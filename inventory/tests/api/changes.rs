//! Changes of a product's name, price and stock.

use reqwest::Method;
use serde_json::{Value, json};

use crate::harness::{Answer, Service};

pub(crate) const NOWHERE: &str = "/products/01932c4e-7c1a-7000-8000-2f0d6a1b9c3e";

pub(crate) async fn patch(service: &Service, path: &str, body: &str) -> Answer {
    service.send(Method::PATCH, path, &[], body).await
}

async fn restock(service: &Service, path: &str, body: &str) -> Answer {
    service
        .post(&format!("{path}/restock"), body.to_owned())
        .await
}

async fn count(service: &Service, path: &str, version: &str, body: &str) -> Answer {
    let headers = [("if-match", version)];
    service
        .send(Method::PUT, &format!("{path}/stock"), &headers, body)
        .await
}

/// A product named Tea for 1.00, with a stock of 1.
pub(crate) async fn tea(service: &Service) -> String {
    format!("/products/{}", service.create("Tea").await)
}

/// Asserts that the answer is the product in this version.
pub(crate) fn assert_version(answer: &Answer, version: u64) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("etag"), format!("\"{version}\""));
    assert_eq!(answer.header("cache-control"), "no-cache");
    let product = answer.json();
    assert_eq!(product["version"], version);
    product
}

#[tokio::test]
async fn a_patch_changes_what_it_names_and_counts_only_what_is_different() {
    let service = Service::start().await;
    let path = tea(&service).await;
    let created = service.get(&path).await.json();

    let renamed = assert_version(
        &patch(&service, &path, r#"{"name":" Green  tea "}"#).await,
        2,
    );
    assert_eq!(
        (&renamed["name"], &renamed["price"]),
        (&json!("Green  tea"), &json!(1.0))
    );
    assert_eq!(renamed["created_at"], created["created_at"]);
    assert!(renamed["updated_at"].as_str() >= created["updated_at"].as_str());
    let priced = patch(&service, &path, r#"{"price":"2.5"}"#).await;
    assert!(priced.body.contains(r#""price":2.50,"#), "{priced:?}");
    assert_version(&priced, 3);
    let both = patch(&service, &path, r#"{"price":3,"name":"message"}"#).await;
    assert_eq!(service.get(&path).await.body, both.body);
    assert_version(&both, 4);

    for same in [
        "{}",
        r#"{"price":3.00}"#,
        r#"{"name":"message"}"#,
        r#"{"name":" message"}"#,
    ] {
        let unchanged = patch(&service, &path, same).await;
        assert_eq!(unchanged.body, both.body, "{same}");
        assert_version(&unchanged, 4);
    }
    patch(&service, NOWHERE, r#"{"price":3}"#)
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn a_patch_is_taken_as_merge_patch_or_as_json() {
    let service = Service::start().await;
    let path = tea(&service).await;
    let send = async |media_type: &str, body: String| {
        let request = service.request(Method::PATCH, &path);
        Answer::to(request.header("content-type", media_type).body(body)).await
    };
    for (price, media_type) in [
        (2, "application/merge-patch+json"),
        (3, "application/merge-patch+json; charset=utf-8"),
    ] {
        let price = json!({ "price": price }).to_string();
        send(media_type, price).await.expect(200);
    }
    for media_type in ["application/json-patch+json", "text/plain", ""] {
        let answer = send(media_type, "{}".to_owned()).await;
        answer.problem(415, "unsupported-media-type");
    }
}

#[tokio::test]
async fn a_patch_that_cannot_be_made_is_refused_with_every_reason_at_once() {
    let service = Service::start().await;
    let path = tea(&service).await;
    for (body, pointers) in [
        (r#"{"name":null}"#, vec!["#/name"]),
        (r#"{"name":null,"price":null}"#, vec!["#/name", "#/price"]),
        (
            r#"{"name":"","price":-1,"colour":"red"}"#,
            vec!["#/colour", "#/name", "#/price"],
        ),
        (r#"{"price":2,"quantity":7}"#, vec!["#/quantity"]),
        (
            r#"{"id":"x","version":1,"created_at":1,"updated_at":null,"quantity":null}"#,
            vec![
                "#/created_at",
                "#/id",
                "#/quantity",
                "#/updated_at",
                "#/version",
            ],
        ),
    ] {
        assert_eq!(
            patch(&service, &path, body).await.invalid_fields(),
            pointers,
            "{body}"
        );
    }
    let quantity = patch(&service, &path, r#"{"quantity":7}"#).await.body;
    assert!(
        quantity.contains("/restock") && quantity.contains("/stock"),
        "{quantity}"
    );
    let removed = patch(&service, &path, r#"{"name":null}"#).await.body;
    assert!(removed.contains("cannot be removed"), "{removed}");
    patch(&service, &path, "[]")
        .await
        .problem(400, "malformed-body");
    assert_version(&service.get(&path).await, 1);
}

#[tokio::test]
async fn pieces_arrive_and_are_counted() {
    let service = Service::start().await;
    let path = tea(&service).await;
    let more = assert_version(&restock(&service, &path, r#"{"quantity":"11"}"#).await, 2);
    assert_eq!(more["quantity"], 12);
    let fewer = count(
        &service,
        &path,
        "\"2\"",
        r#"{"quantity":7,"note":"5 broken"}"#,
    )
    .await;
    assert_eq!(assert_version(&fewer, 3)["quantity"], 7);
    let same = count(&service, &path, "*", r#"{"quantity":7}"#).await;
    assert_eq!(
        assert_version(&same, 4)["quantity"],
        7,
        "a count is a change of its own"
    );
    let none = count(&service, &path, "\"1\", \"4\"", r#"{"quantity":0}"#).await;
    assert_eq!(assert_version(&none, 5)["quantity"], 0);

    for (body, pointers) in [
        (r#"{"quantity":0}"#, vec!["#/quantity"]),
        (r#"{"quantity":-1}"#, vec!["#/quantity"]),
        (r#"{"quantity":1000000001}"#, vec!["#/quantity"]),
        (
            r#"{"note":" ","by":"me"}"#,
            vec!["#/by", "#/note", "#/quantity"],
        ),
        (r#"{"quantity":1,"note":7}"#, vec!["#/note"]),
    ] {
        assert_eq!(
            restock(&service, &path, body).await.invalid_fields(),
            pointers,
            "{body}"
        );
    }
    let counted = count(&service, &path, "*", r#"{"quantity":-1,"note":""}"#).await;
    assert_eq!(counted.invalid_fields(), ["#/note", "#/quantity"]);
    assert_version(&service.get(&path).await, 5);
    restock(&service, NOWHERE, r#"{"quantity":1}"#)
        .await
        .problem(404, "not-found");
    count(&service, NOWHERE, "*", r#"{"quantity":1}"#)
        .await
        .problem(404, "not-found");
}

#[tokio::test]
async fn there_is_never_more_stock_than_a_product_can_have() {
    let service = Service::start().await;
    let path = tea(&service).await;
    let full = restock(&service, &path, r#"{"quantity":999999999}"#).await;
    assert_eq!(assert_version(&full, 2)["quantity"], 1_000_000_000);
    for quantity in [1, 1_000_000_000] {
        let body = json!({ "quantity": quantity }).to_string();
        let answer = restock(&service, &path, &body).await;
        assert_eq!(answer.invalid_fields(), ["#/quantity"]);
    }
    assert_version(&service.get(&path).await, 2);
}

#[tokio::test]
async fn a_deleted_product_cannot_be_changed_any_more() {
    let service = Service::start().await;
    let path = tea(&service).await;
    service.delete(&path).await;
    let any = [("if-match", "*")];
    for (method, path, body) in [
        (Method::GET, path.clone(), ""),
        (Method::PATCH, path.clone(), r#"{"name":"Coffee"}"#),
        (Method::PATCH, path.clone(), "{}"),
        (Method::POST, format!("{path}/restock"), r#"{"quantity":1}"#),
        (Method::PUT, format!("{path}/stock"), r#"{"quantity":1}"#),
        (Method::DELETE, path.clone(), ""),
    ] {
        for headers in [&any[..], &[("if-match", "\"1\"")]] {
            let answer = service.send(method.clone(), &path, headers, body).await;
            answer.problem(404, "not-found");
        }
    }
    let movements = service.get(&format!("{path}/movements")).await.json();
    assert_eq!(movements.as_array().unwrap().len(), 2, "{movements}");
}
