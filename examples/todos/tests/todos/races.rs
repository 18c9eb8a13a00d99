//! Clients that act at the same time.

use futures_util::future::join_all;
use serde_json::json;
use uuid::Uuid;

use crate::audit::Audit;
use crate::system::System;

/// Clients that race for one id.
const RIVALS: usize = 8;

#[tokio::test(flavor = "multi_thread")]
async fn one_of_many_clients_gets_an_id_and_the_others_are_told() {
    let system = System::start().await;
    for _ in 0..5 {
        let id = Uuid::now_v7().to_string();
        let posts = (0..RIVALS).map(|rival| {
            let body = json!({ "id": id, "title": format!("rival {rival}") });
            system.site.post("/todos/?wait=applied", body.to_string())
        });
        let answers = join_all(posts).await;
        let winners: Vec<_> = answers
            .iter()
            .filter(|answer| answer.status == 201)
            .collect();
        assert_eq!(winners.len(), 1, "{answers:#?}");
        for answer in answers.iter().filter(|answer| answer.status != 201) {
            answer.problem(409, "id-taken");
        }
        let todo = system.site.get(&format!("/todos/{id}")).await.json();
        assert_eq!(todo, winners[0].json());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_change_several_fields_at_once_lose_no_change() {
    let system = System::start().await;
    let audit = Audit::begin(system.database().await).await;
    let path = format!("/todos/{}", system.create("Tea").await);
    for round in 0..10 {
        let title = format!("round {round}");
        let patches = [
            json!({ "title": title }),
            json!({ "description": title }),
            json!({ "completed": round % 2 == 0 }),
        ];
        let change = format!("{path}?wait=applied");
        let puts = patches
            .iter()
            .map(|patch| system.put(&change, patch.clone()));
        for answer in join_all(puts).await {
            answer.expect(200);
        }
        let todo = system.site.get(&path).await.json();
        assert_eq!(todo["title"], title);
        assert_eq!(todo["description"], title);
        assert_eq!(todo["completed"], round % 2 == 0);
    }
    assert_eq!(audit.count().await, 1 + 10 * 3);
}
