//! The operations of an operator over HTTP: records, releases and audits.

use reqwest::Method;
use serde_json::{Value, json};
use shared::contract::event::OrderCompleted;
use shared::contract::id::{OrderId, ProductId};
use shared::redis::{Command, Redis};
use stack::credentials::User;

use crate::harness::{Answer, Service, order};

fn words(answer: &Value) -> Vec<&str> {
    let outcomes = answer.as_array().unwrap().iter();
    outcomes
        .map(|one| one["outcome"].as_str().unwrap())
        .collect()
}

#[tokio::test]
async fn an_operator_asks_for_outcomes_and_gives_stock_back_over_http() {
    let service = Service::start_with(&[("REQUIRE_IDEMPOTENCY_KEY", "true")]).await;
    let body = json!({ "name": "Tea", "price": 1, "quantity": 3 }).to_string();
    let key = [("idempotency-key", "any")];
    let tea = service.send(Method::POST, "/products", &key, &body).await;
    let tea: ProductId = tea.created_id().parse().unwrap();
    let (sold, short) = (order(tea, 2), order(tea, 9));
    service.apply(&[sold.clone(), short.clone()]).await;
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
        service
            .send(Method::POST, "/admin/releases", &key, &body.to_string())
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
        service.get(&format!("/products/{tea}")).await.json()["quantity"],
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
    let url = service.system.inventory_redis().url(User::Operator);
    let redis = Redis::worker(&url.parse().unwrap());
    let operate = async |name: &'static str, words: String| {
        let words = words.split(' ').map(str::to_owned);
        redis.run(Command::new(name).args(words)).await.unwrap();
    };
    let count = async |product: &str, quantity: u32| {
        let change = "redis.call('SET',KEYS[1],(redis.call('GET',KEYS[1]):gsub('%d+',ARGV[1],2):gsub('^%d+','2')))";
        operate("EVAL", format!("{change} 1 product:{product} {quantity}")).await;
    };
    count(&products[1], 11).await;
    operate("XTRIM", format!("movements:{} MAXLEN 0", products[3])).await;
    // Made anew, its second movement does not follow from the first.
    operate("XTRIM", format!("movements:{} MAXLEN 1", products[2])).await;
    count(&products[2], 7).await;
    service
        .post(
            &format!("/products/{}/restock", products[2]),
            r#"{"quantity":1}"#,
        )
        .await;

    let pages = service.pages("/admin/audit?limit=1").await;
    let differences = |page: &Answer| page.json()["differences"].as_array().unwrap().clone();
    let found: Vec<Value> = pages.iter().flat_map(differences).collect();
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
