//! What payments adds to the parts that both services have.

use crate::harness::Service;

const SHOP: &str = "https://shop.example";

#[tokio::test]
async fn every_kind_of_problem_of_payments_has_a_page() {
    let service = Service::start(&[]).await;
    for kind in payments::api::problems::KINDS {
        let page = service.get(&format!("/problems/{}", kind.slug)).await;
        assert_eq!(page.status, 200, "{}", kind.slug);
        assert!(page.body.contains(kind.title) && page.body.contains(kind.advice));
    }
    let page = service.get("/problems/store-refused").await;
    assert_eq!(page.status, 200);
}

#[tokio::test]
async fn a_page_of_another_origin_may_read_whether_an_order_is_final() {
    let service = Service::start(&[("CORS_ORIGINS", SHOP)]).await;
    let answer = service.get_with("/orders", &[("origin", SHOP)]).await;
    let exposed = answer.header("access-control-expose-headers");
    let exposed: Vec<&str> = exposed.split(", ").collect();
    for name in ["ETag", "Order-Final", "X-Request-Id"] {
        assert!(exposed.contains(&name), "{name}: {exposed:?}");
    }
}
