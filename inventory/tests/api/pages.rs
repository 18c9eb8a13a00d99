//! Lists come in pages, newest first.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::harness::{Answer, Service};

fn ids(page: &Answer) -> Vec<String> {
    let id = |item: &Value| item["id"].as_str().unwrap().to_owned();
    page.items().iter().map(id).collect()
}

#[tokio::test]
async fn walking_all_pages_sees_each_product_once_and_the_newest_first() {
    let service = Service::start().await;
    let mut created = Vec::new();
    for number in 0..105 {
        created.push(service.create(&format!("Tea {number}")).await);
    }
    created.reverse();

    let first = service.get("/products").await;
    assert_eq!(ids(&first), created[..100], "the default is 100");
    for limit in [1, 7, 100] {
        let mut walked = Vec::new();
        for page in service.pages(&format!("/products?limit={limit}")).await {
            let found = ids(&page);
            assert!(found.len() <= limit);
            walked.extend(found);
        }
        assert_eq!(walked, created, "pages of {limit}");
    }
}

#[tokio::test]
async fn a_walk_is_not_disturbed_by_products_that_come_and_go() {
    let service = Service::start().await;
    let mut created = BTreeSet::new();
    for number in 0..9 {
        created.insert(service.create(&format!("Tea {number}")).await);
    }
    let first = service.get("/products?limit=4").await;
    let seen = ids(&first);
    let link = first.next_page().unwrap();
    // The very product that the cursor was made of goes away, and a newer one arrives.
    let last = seen.last().unwrap();
    assert_eq!(
        service.delete(&format!("/products/{last}")).await.status,
        204
    );
    service.create("newer").await;
    let second = service.get(&link.replace("limit=4", "limit=100")).await;
    let walked: BTreeSet<String> = seen.into_iter().chain(ids(&second)).collect();
    assert_eq!(walked, created);
    assert_eq!(second.header("link"), "");
}

#[tokio::test]
async fn only_our_own_cursors_and_sensible_limits_are_taken() {
    let service = Service::start().await;
    let id = service.create("Tea").await;
    for cursor in [
        "",
        "x",
        "c1.",
        "c1.x",
        "-1",
        "%00",
        "c1.%2b",
        "c2.01932c4e-7c1a-7000-8000-2f0d6a1b9c3e",
        &id,
    ] {
        let answer = service.get(&format!("/products?cursor={cursor}")).await;
        answer.problem(400, "invalid-cursor");
    }
    for limit in [
        "0",
        "101",
        "abc",
        "-1",
        "1.5",
        "",
        "99999999999999999999",
        "1e1",
        "%00",
    ] {
        let answer = service.get(&format!("/products?limit={limit}")).await;
        let problem = answer.problem(400, "invalid-parameter");
        assert!(
            problem["detail"].as_str().unwrap().contains("limit"),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn a_cursor_that_somebody_made_leads_to_some_place_or_to_none() {
    let service = Service::start().await;
    let id = service.create("Tea").await;
    for name in ["Coffee", "Cocoa"] {
        service.create(name).await;
    }
    let movements = format!("/products/{id}/movements?limit=1");
    service
        .post(&format!("/products/{id}/restock"), r#"{"quantity":1}"#)
        .await;
    for (path, positions) in [
        // `0-0`, and texts that are no id of an entry.
        (
            movements.as_str(),
            [("MC0w", 400), ("MC0wLTA", 400), ("LQ", 400), ("", 400)],
        ),
        // `0-1`, the largest possible id, and two ids that no entry has.
        (
            &movements,
            [
                ("MC0x", 200),
                (
                    "MTg0NDY3NDQwNzM3MDk1NTE2MTUtMTg0NDY3NDQwNzM3MDk1NTE2MTU",
                    200,
                ),
                ("Ny0w", 200),
                ("Ny0x", 200),
            ],
        ),
        // An empty text, a zero byte, and the brackets of ranges: every text is a position among
        // names and ids.
        (
            "/products?limit=1",
            [("", 200), ("AA", 200), ("Wys", 200), ("LQ", 200)],
        ),
        (
            "/products?limit=1&sort=name",
            [("", 200), ("AA", 200), ("Wys", 200), ("Kw", 200)],
        ),
        (
            "/products?limit=1&sort=name&q=c",
            [("", 200), ("AA", 200), ("enp6", 200), ("LQ", 200)],
        ),
        // Bytes that are no text, and text that is no base64.
        (
            "/products?limit=1&sort=name",
            [("_w", 400), ("4oI", 400), ("=", 400), ("A", 400)],
        ),
    ] {
        let link = service.get(path).await.next_page().unwrap();
        let (list, _) = link.rsplit_once('.').unwrap();
        for (position, status) in positions {
            let answer = service.get(&format!("{list}.{position}")).await;
            assert_eq!(answer.status, status, "{path} {position}: {answer:?}");
            if status == 400 {
                answer.problem(400, "invalid-cursor");
            }
        }
    }
}
