//! What the clients know of the records, and its comparison with the servers.

use std::cell::Cell;
use std::collections::BTreeSet;

use ::harness::http::Method;
use sqlx::query_as;

use super::Clients;

/// What is known of a record that only grows.
#[derive(Default)]
pub(super) struct Sum {
    /// The sum of the additions that were answered.
    pub(super) answered: Cell<i64>,
    /// The sum of all additions that were asked for.
    pub(super) asked: Cell<i64>,
}

/// What one client knows of its own record, and the request whose outcome it does not know yet.
#[derive(Default)]
pub(super) struct Own {
    /// The part of its key that counts up. A deletion without an answer may still be carried out
    /// later, so the client leaves that record alone.
    pub(super) generation: u64,
    pub(super) value: Option<i64>,
    pub(super) requests: u64,
    pub(super) pending: Option<Request>,
}

/// A change, with the key under which it is repeated until its outcome is known.
#[derive(Clone, Debug)]
pub(super) struct Request {
    pub(super) kind: Kind,
    pub(super) key: String,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Add(usize, i64),
    Create(i64),
    Change(i64),
    Delete,
}

impl Own {
    /// The key of the record.
    pub(super) fn key(&self, client: usize) -> String {
        format!("{client}-{}", self.generation)
    }
}

/// Compares what the clients know with the database, and with what both processes answer.
pub(super) async fn check(clients: &Clients) {
    let mut expected: Vec<(String, String, i64)> = Vec::new();
    for (shared, sum) in clients.sums.iter().enumerate() {
        assert_eq!(
            sum.answered.get(),
            sum.asked.get(),
            "every addition was answered"
        );
        expected.push(("all".to_owned(), shared.to_string(), sum.answered.get()));
    }
    let mut left_alone = BTreeSet::new();
    for (client, own) in clients.own.iter().enumerate() {
        let own = own.borrow();
        let found = own
            .value
            .map(|value| ("own".to_owned(), own.key(client), value));
        expected.extend(found);
        left_alone.extend((0..own.generation).map(|generation| {
            let earlier = Own {
                generation,
                ..Own::default()
            };
            earlier.key(client)
        }));
    }
    expected.sort_unstable();
    let mut session = clients.records.session().await;
    let select = "SELECT user_id, key, value FROM users";
    let found = query_as(select).fetch_all(&mut session).await;
    let mut found: Vec<(String, String, i64)> = found.unwrap();
    found.retain(|(user, key, _)| user == "all" || !left_alone.contains(key));
    found.sort_unstable();
    assert_eq!(found, expected);
    for (user, key, value) in expected {
        for process in [&clients.records.process, &clients.other] {
            let query = format!("user_id={user}&key={key}");
            let answer = process
                .ask(Method::GET, "get-record", &query)
                .await
                .expect(200);
            assert_eq!(answer.json()["value"].as_i64(), Some(value), "{answer:?}");
        }
    }
}
