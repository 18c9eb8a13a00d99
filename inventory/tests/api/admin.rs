//! The operations of an operator over HTTP: records, releases and audits.

use inventory::domain::NewProduct;
use serde_json::{Value, json};
use shared::contract::event::OrderCompleted;
use shared::contract::id::OrderId;
use shared::store::claim::Once;

use crate::harness::{KEEP, Service, order};

fn words(answer: &Value) -> Vec<&str> {
    answer
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["outcome"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn an_operator_asks_for_outcomes_and_gives_stock_back_over_http() {
    let service = Service::start_with(&[("REQUIRE_IDEMPOTENCY_KEY", "true")]).await;
    let new = NewProduct {
        name: "Tea".parse().unwrap(),
        price: "1".parse().unwrap(),
        quantity: 3,
    };
    let Once::Now(tea) = service.store().create_product(new, None).await.unwrap() else {
        panic!("a product without a key was created before");
    };
    let (sold, short) = (order(tea.id, 2), order(tea.id, 9));
    service
        .store()
        .apply_orders(&[sold.clone(), short.clone()], KEEP)
        .await
        .unwrap();
    let asked = [sold.order_id, short.order_id, OrderId::mint()].map(|id| id.to_string());
    let path = format!("/admin/outcomes?orders={}", asked.join(","));
    let answer = service.get(&path).await.json();
    assert_eq!(words(&answer), ["applied", "insufficient_stock", "unknown"]);
    assert!(
        answer[0]["movement_id"].as_str().unwrap().contains('-'),
        "{answer}"
    );
    assert_eq!(
        answer[1],
        json!({ "order_id": asked[1], "outcome": "insufficient_stock" })
    );

    let give_back = async |order: &OrderCompleted| {
        let body = json!({ "order_id": order.order_id, "product_id": order.product_id });
        let key = [("idempotency-key", "any")];
        service
            .send(
                reqwest::Method::POST,
                "/admin/releases",
                &key,
                &body.to_string(),
            )
            .await
    };
    for _ in 0..2 {
        let given = give_back(&sold).await;
        let expected = json!({ "order_id": sold.order_id, "outcome": "released" });
        assert_eq!((given.status, given.json()), (200, expected));
    }
    give_back(&short).await.problem(404, "not-found");
    assert_eq!(words(&service.get(&path).await.json())[0], "released");
    assert_eq!(
        service.get(&format!("/products/{}", tea.id)).await.json()["quantity"],
        3
    );

    let hundred_and_one = vec![asked[0].clone(); 101].join(",");
    for orders in ["", "x", &format!("{},", asked[0]), &hundred_and_one] {
        let refused = service
            .get(&format!("/admin/outcomes?orders={orders}"))
            .await;
        refused.problem(400, "invalid-parameter");
    }
    service
        .get("/admin/outcomes")
        .await
        .problem(400, "invalid-parameter");
}

#[tokio::test]
async fn an_audit_names_every_stock_that_is_not_its_ledger() {
    let service = Service::start().await;
    let mut products = Vec::new();
    for name in ["sound", "more", "gap", "empty"] {
        let id = service.create(name).await;
        service
            .post(&format!("/products/{id}/restock"), r#"{"quantity":9}"#)
            .await;
        products.push(id);
    }
    assert_eq!(
        service.get("/admin/audit").await.json()["differences"],
        json!([])
    );
    let operate = async |words: &str| {
        let url = service
            .system
            .inventory_redis()
            .url(stack::credentials::User::Operator);
        let redis = shared::redis::Redis::worker(&url.parse().unwrap());
        let mut words = words.split(' ');
        let name = if words.next() == Some("EVAL") {
            "EVAL"
        } else {
            "XTRIM"
        };
        redis
            .run(shared::redis::Command::new(name).args(words))
            .await
            .unwrap();
    };
    let count = async |product: &str, quantity: u32| {
        let change = "redis.call('SET',KEYS[1],(redis.call('GET',KEYS[1]):gsub('%d+',ARGV[1],2):gsub('^%d+','2')))";
        operate(&format!("EVAL {change} 1 product:{product} {quantity}")).await;
    };
    count(&products[1], 11).await;
    operate(&format!("XTRIM movements:{} MAXLEN 0", products[3])).await;
    // The stock changes without a movement, so the next movement does not follow from the last.
    operate(&format!("XTRIM movements:{} MAXLEN 1", products[2])).await;
    count(&products[2], 7).await;
    service
        .post(
            &format!("/products/{}/restock", products[2]),
            r#"{"quantity":1}"#,
        )
        .await;

    let mut found = Vec::new();
    let mut next = Some("/admin/audit?limit=1".to_owned());
    while let Some(path) = next {
        let page = service.get(&path).await;
        found.extend(page.json()["differences"].as_array().unwrap().clone());
        let link = page.header("link").strip_prefix('<');
        next = link
            .and_then(|link| link.strip_suffix(">; rel=\"next\""))
            .map(str::to_owned);
    }
    let named: Vec<&str> = found
        .iter()
        .map(|found| found["product_id"].as_str().unwrap())
        .collect();
    assert_eq!(named, [&products[3], &products[2], &products[1]]);
    assert_eq!(found[0]["detail"], "there are no movements");
    assert!(
        found[1]["detail"]
            .as_str()
            .unwrap()
            .contains("does not follow"),
        "{found:?}"
    );
    assert_eq!(found[2]["detail"], "the newest movement left 10");
}
