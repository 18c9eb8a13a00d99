//! The list of products, with filters and sorts.

use std::num::NonZeroU16;

use futures_util::future::join_all;
use inventory::domain::{Filter, NewProduct, Sort};
use reqwest::Method;
use serde_json::{Value, json};
use shared::store::index::SCAN_BUDGET;
use shared::store::partition::Partitions;

use crate::harness::{Service, TestStore};

/// The names on all pages of a list.
async fn names(service: &Service, query: &str) -> Vec<String> {
    let products = service.items(&format!("/products?{query}")).await;
    let name = |product: &Value| product["name"].as_str().unwrap().to_owned();
    products.iter().map(name).collect()
}

/// The names on each page of a list of the store.
async fn pages(test: &TestStore, filter: &Filter, sort: Sort, limit: usize) -> Vec<Vec<String>> {
    let (mut pages, mut position): (_, Option<String>) = (Vec::new(), None);
    loop {
        let page = test
            .store
            .list_products(filter, sort, position.as_deref(), limit)
            .await
            .unwrap();
        let names = page
            .items
            .iter()
            .map(|product| product.name.as_str().to_owned());
        pages.push(names.collect());
        position = page.next;
        if position.is_none() {
            return pages;
        }
    }
}

async fn create(service: &Service, name: &str, quantity: u32) -> String {
    let body = json!({ "name": name, "price": 1, "quantity": quantity });
    let created = service
        .post("/products", body.to_string())
        .await
        .expect(201);
    created.header("location").to_owned()
}

#[tokio::test]
async fn products_are_found_by_the_beginning_of_their_name_and_by_their_stock() {
    let service = Service::start().await;
    for (name, quantity) in [
        ("Tea", 1),
        ("teapot", 0),
        ("Coffee", 2),
        ("TEA", 0),
        ("Straße", 1),
        ("ΟΔΟΣ", 1),
        ("Éclair & co", 0),
        ("100% tea", 5),
    ] {
        create(&service, name, quantity).await;
    }
    for (query, expected) in [
        ("q=tea", vec!["TEA", "teapot", "Tea"]),
        ("q=TEA&sort=name", vec!["Tea", "TEA", "teapot"]),
        ("q=tea&in_stock=true", vec!["Tea"]),
        ("q=tea&in_stock=false&sort=name", vec!["TEA", "teapot"]),
        (
            "in_stock=true",
            vec!["100% tea", "ΟΔΟΣ", "Straße", "Coffee", "Tea"],
        ),
        ("q=strasse", vec!["Straße"]),
        ("q=%CE%BF%CE%B4%CE%BF%CF%82&sort=name", vec!["ΟΔΟΣ"]),
        ("q=%C3%A9clair+%26&sort=name", vec!["Éclair & co"]),
        ("q=100%25", vec!["100% tea"]),
        ("q=ea", vec![]),
        ("q=tea%20&sort=name", vec![]),
        ("q=teapots&sort=name", vec![]),
    ] {
        assert_eq!(names(&service, query).await, expected, "{query}");
        assert_eq!(
            names(&service, &format!("{query}&limit=1")).await,
            expected,
            "{query} by one"
        );
    }
    let by_name = [
        "100% tea",
        "Coffee",
        "Éclair & co",
        "Straße",
        "Tea",
        "TEA",
        "teapot",
        "ΟΔΟΣ",
    ];
    assert_eq!(names(&service, "sort=name").await, by_name);
    let mut newest = names(&service, "sort=-created_at").await;
    assert_eq!(newest, names(&service, "q=").await);
    newest.sort_unstable();
    assert_eq!(newest.len(), by_name.len());
}

#[tokio::test]
async fn a_product_is_found_by_its_present_name_only() {
    let service = Service::start().await;
    let path = create(&service, "Tea", 1).await;
    let other = create(&service, "tea", 1).await;
    service
        .send(Method::PATCH, &path, &[], r#"{"name":"Coffee"}"#)
        .await;
    assert_eq!(names(&service, "sort=name").await, ["Coffee", "tea"]);
    assert_eq!(names(&service, "sort=name&q=t").await, ["tea"]);
    service
        .send(Method::PATCH, &path, &[], r#"{"name":"COFFEE"}"#)
        .await;
    assert_eq!(names(&service, "sort=name&q=coffee").await, ["COFFEE"]);
    service.delete(&other).await;
    assert_eq!(names(&service, "sort=name").await, ["COFFEE"]);
    service.delete(&path).await;
    assert!(names(&service, "sort=name").await.is_empty());
}

#[tokio::test]
async fn the_longest_names_have_cursors_too() {
    let service = Service::start().await;
    // Letters that become three characters each when case is folded.
    let long: Vec<String> = ["ΐ", "ΰ", "𐐀"].map(|letter| letter.repeat(200)).into();
    for name in &long {
        create(&service, name, 1).await;
    }
    assert_eq!(names(&service, "limit=1&sort=name").await, long);
    let mut url = reqwest::Url::parse("http://x/").unwrap();
    url.query_pairs_mut()
        .append_pair("q", &long[0])
        .append_pair("sort", "name");
    assert_eq!(names(&service, url.query().unwrap()).await, long[..1]);
}

#[tokio::test]
async fn a_cursor_belongs_to_its_list_and_nonsense_is_refused() {
    let service = Service::start().await;
    for name in ["Tea 1", "Tea 2", "Tea 3"] {
        create(&service, name, 1).await;
    }
    let lists = [
        "",
        "q=tea",
        "q=te",
        "in_stock=true",
        "sort=name",
        "sort=name&q=tea",
    ];
    for list in lists {
        let page = service.get(&format!("/products?limit=1&{list}")).await;
        let link = page.next_page().unwrap();
        let (_, cursor) = link.split_once("cursor=").unwrap();
        for other in lists {
            let answer = service
                .get(&format!("/products?cursor={cursor}&{other}"))
                .await;
            if other == list {
                assert_eq!(answer.items().len(), 2, "{list}");
            } else {
                answer.problem(400, "invalid-cursor");
            }
        }
    }
    let long = "x".repeat(201);
    for query in [
        "sort=price",
        "sort=",
        "in_stock=maybe",
        "in_stock=1",
        "q=a%00",
        &format!("q={long}"),
    ] {
        let answer = service.get(&format!("/products?{query}")).await;
        answer.problem(400, "invalid-parameter");
    }
}

#[tokio::test]
async fn a_page_reads_a_bounded_number_of_products_and_the_walk_finds_all_of_them() {
    for partitions in [
        Partitions::NONE,
        Partitions::new(NonZeroU16::new(3).unwrap()),
    ] {
        let test = TestStore::start(partitions).await;
        let total = 2 * SCAN_BUDGET + 10;
        // Only the first and the last product have stock.
        let create = |number: usize| {
            let quantity = u32::from(number == 0 || number == total - 1);
            let name = format!("Tea {number:05}").parse().unwrap();
            let new = NewProduct {
                name,
                price: "1".parse().unwrap(),
                quantity,
            };
            test.store.create_product(new, None)
        };
        let numbers: Vec<usize> = (0..total).collect();
        for some in numbers.chunks(100) {
            for created in join_all(some.iter().map(|&number| create(number))).await {
                created.unwrap();
            }
        }
        let filter = Filter {
            in_stock: Some(true),
            ..Filter::default()
        };
        for sort in [Sort::Newest, Sort::Name] {
            let pages = pages(&test, &filter, sort, 2).await;
            let lengths: Vec<usize> = pages.iter().map(Vec::len).collect();
            assert_eq!(lengths, [1, 0, 1], "{sort:?}");
        }
        let walked = pages(&test, &Filter::default(), Sort::Name, 99)
            .await
            .concat();
        let expected: Vec<String> = numbers
            .iter()
            .map(|number| format!("Tea {number:05}"))
            .collect();
        assert_eq!(walked, expected);
    }
}
