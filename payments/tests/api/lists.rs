//! Lists of orders over HTTP.

use crate::harness::Service;

#[tokio::test]
async fn orders_are_listed_in_pages_newest_first() {
    let service = Service::start(&[]).await;
    let product = service.inventory.product("1", 1);
    let mut placed = Vec::new();
    for _ in 0..25 {
        placed.push(service.order(product, 1).await.created_id());
    }
    placed.reverse();
    assert_eq!(walk(&service, "/orders?limit=10").await, placed);
    for limit in ["0", "101", "abc"] {
        let answer = service.get(&format!("/orders?limit={limit}")).await;
        answer.problem(400, "invalid-parameter");
    }
    service
        .get("/orders?cursor=x")
        .await
        .problem(400, "invalid-cursor");
}

/// The ids on all pages of a list.
async fn walk(service: &Service, first: &str) -> Vec<String> {
    let orders = service.items(first).await;
    orders
        .iter()
        .map(|order| order["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_list_shows_the_orders_that_were_asked_for() {
    let service = Service::start(&[]).await;
    let (tea, ink) = (
        service.inventory.product("1", 1),
        service.inventory.product("1", 1),
    );
    let mut placed = Vec::new();
    for number in 0..12 {
        let product = if number % 3 == 0 { ink } else { tea };
        placed.push(service.order(product, 1).await.json());
    }
    let id = |number: usize| placed[number]["id"].as_str().unwrap().to_owned();
    let newest_first = |numbers: &[usize]| -> Vec<String> {
        numbers.iter().rev().map(|&number| id(number)).collect()
    };
    assert_eq!(service.complete().await, 12);
    let pending = service.order(tea, 1).await.created_id();
    let cancelled = service.order(ink, 1).await.created_id();
    service.cancel(&cancelled).await.expect(200);

    let all = walk(&service, "/orders?limit=3").await;
    assert_eq!(all.len(), 14);
    let ink_orders = [vec![cancelled.clone()], newest_first(&[0, 3, 6, 9])].concat();
    assert_eq!(
        walk(&service, &format!("/orders?limit=2&product_id={ink}")).await,
        ink_orders
    );
    assert_eq!(
        walk(&service, "/orders?status=pending").await,
        [pending.as_str()]
    );
    let open = walk(&service, "/orders?limit=1&status=pending,cancelled").await;
    assert_eq!(open, [cancelled.as_str(), pending.as_str()]);
    let paid_ink = walk(&service, &format!("/orders?status=paid&product_id={ink}")).await;
    assert_eq!(paid_ink, newest_first(&[0, 3, 6, 9]));
    assert!(walk(&service, "/orders?status=refunded").await.is_empty());

    let time = |number: usize| placed[number]["created_at"].as_str().unwrap();
    let (after, before) = (time(2), time(8));
    let between = format!("/orders?created_after={after}&created_before={before}");
    let expected = placed.iter().rev().filter(|order| {
        let created = order["created_at"].as_str().unwrap();
        created > after && created < before
    });
    let expected: Vec<_> = expected
        .map(|order| order["id"].as_str().unwrap())
        .collect();
    assert!(!expected.is_empty());
    assert_eq!(walk(&service, &between).await, expected);
    for never in [
        "created_before=2020-01-01T00:00:00Z",
        "created_after=2999-01-01T00:00:00Z",
    ] {
        assert!(walk(&service, &format!("/orders?{never}")).await.is_empty());
    }
}

#[tokio::test]
async fn a_list_refuses_what_it_does_not_understand() {
    let service = Service::start(&[]).await;
    let product = service.inventory.product("1", 1);
    for _ in 0..3 {
        service.order(product, 1).await.created_id();
    }
    for query in [
        "status=open",
        "status=paid,open",
        "product_id=x",
        "created_after=today",
        "created_before=1",
    ] {
        let answer = service.get(&format!("/orders?{query}")).await;
        answer.problem(400, "invalid-parameter");
    }
    let page = service.get("/orders?limit=1&status=pending").await;
    let link = page.next_page().unwrap();
    let (_, cursor) = link.split_once("cursor=").unwrap();
    for other in ["", "&status=paid", "&status=pending,paid"] {
        let answer = service
            .get(&format!("/orders?limit=1{other}&cursor={cursor}"))
            .await;
        answer.problem(400, "invalid-cursor");
    }
    let same = service
        .get(&format!("/orders?limit=2&status=pending&cursor={cursor}"))
        .await;
    assert_eq!(same.items().len(), 2, "another limit is the same list");
}

/// The reads for one page are bounded. A client finds a rare order by following the links.
#[tokio::test]
async fn a_page_without_a_match_leads_on_to_the_next() {
    let service = Service::start(&[]).await;
    let (tea, ink) = (
        service.inventory.product("1", 1),
        service.inventory.product("1", 1),
    );
    let rare = service.order(ink, 1).await.created_id();
    for _ in 0..12 {
        futures_util::future::join_all((0..50).map(|_| service.order(tea, 1))).await;
    }
    let path = format!("/orders?product_id={ink}");
    let first = service.get(&path).await;
    assert_eq!(
        (first.body.as_str(), first.header("link").is_empty()),
        ("[]", false)
    );
    assert_eq!(walk(&service, &path).await, [rare]);
}
