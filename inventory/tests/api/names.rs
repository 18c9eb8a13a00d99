//! Names of products are found in every way of typing them.

use inventory::domain::{NamePrefix, ProductName};
use serde_json::json;
use shared::store::partition::Partitions;

use crate::harness::{Service, TestStore};

#[tokio::test]
async fn a_name_is_found_however_its_accents_were_typed() {
    let service = Service::start().await;
    let (composed, apart) = ("%C3%89cl", "E%CC%81cl");
    let mut names = Vec::new();
    for name in ["E\u{301}clair", "Éclair"] {
        let body = json!({ "name": name, "price": 1, "quantity": 1 });
        names.push(service.post("/products", body.to_string()).await.json()["name"].clone());
    }
    assert_eq!(names, ["Éclair", "Éclair"]);
    for q in [composed, apart, "e%CC%81CL"] {
        for sort in ["name", "-created_at"] {
            let found = service.get(&format!("/products?sort={sort}&q={q}")).await;
            assert_eq!(found.items().len(), 2, "{q} {sort}: {found:?}");
        }
    }
    let cursor_of = async |q: &str| {
        let page = service
            .get(&format!("/products?sort=name&limit=1&q={q}"))
            .await;
        page.next_page()
            .unwrap()
            .split("cursor=")
            .nth(1)
            .unwrap()
            .to_owned()
    };
    assert_eq!(
        cursor_of(composed).await,
        cursor_of(apart).await,
        "both spellings are one list"
    );
}

/// A name that an older build accepted, and that this build would refuse.
#[tokio::test]
async fn a_name_that_was_taken_once_stays_readable() {
    let test = TestStore::start(Partitions::NONE).await;
    for name in ["E\u{301}clair", "\u{200b}", "a\u{202e}b"] {
        let id = test.product(3).await;
        let key = format!("product:{id}");
        let line = test.get(&key).await.replace("Tea\t", &format!("{name}\t"));
        test.set(&key, &line).await;
        let product = test.find(id).await;
        assert_eq!((product.name.as_str(), product.quantity), (name, 3));
    }
    let prefix: NamePrefix = "écl".parse().unwrap();
    assert!(
        prefix.begins(&ProductName::stored("E\u{301}clair")),
        "typed otherwise, and found"
    );
}
