//! Messages that can never be applied do not hold up the others.

use serde_json::json;
use todos::domain::{Action, Change, Todo, TodoId};
use todos::message::proto::{Create, TodoChange, todo_change};
use todos::message::{MAX_BYTES, encode};

use crate::broker::REQUEST_ID;
use crate::system::System;

/// The change that creates a todo.
fn create(title: &str) -> Change {
    let id = TodoId::mint();
    let todo = Todo {
        id,
        title: title.parse().unwrap(),
        description: None,
        completed: false,
    };
    Change::of(id, Action::Create(todo))
}

/// The message that creates a todo, after a change of its fields.
fn spoiled(spoil: impl FnOnce(&mut TodoChange)) -> (String, Vec<u8>) {
    let id = TodoId::mint().to_string();
    let mut message = TodoChange {
        version: 1,
        id: id.clone(),
        change_id: TodoId::mint().to_string(),
        change: Some(todo_change::Change::Create(Create {
            title: "spoiled".to_owned(),
            description: None,
            completed: false,
        })),
    };
    spoil(&mut message);
    (id, prost::Message::encode_to_vec(&message))
}

/// Messages that can never be applied: the reason, the key and the payload of each.
fn wrong() -> Vec<(&'static str, (String, Vec<u8>))> {
    let long = vec![b'x'; MAX_BYTES + 1];
    let title = |title: &str| {
        let title = title.to_owned();
        move |message: &mut TodoChange| {
            let description = Some("\u{1}".to_owned()).filter(|_| title == "x");
            message.change = Some(todo_change::Change::Create(Create {
                title,
                description,
                completed: false,
            }));
        }
    };
    let other_key = ("another key".to_owned(), spoiled(|_| {}).1);
    vec![
        ("undecodable", ("key".to_owned(), b"\xff\xff\xff".to_vec())),
        ("too_large", ("key".to_owned(), long.clone())),
        ("unknown_version", spoiled(|message| message.version = 2)),
        ("unknown_version", ("key".to_owned(), Vec::new())),
        ("unknown_change", spoiled(|message| message.change = None)),
        (
            "invalid_field",
            spoiled(|message| "7".clone_into(&mut message.id)),
        ),
        (
            "invalid_field",
            spoiled(|message| message.change_id = String::new()),
        ),
        ("invalid_field", spoiled(title(""))),
        ("invalid_field", spoiled(title("x"))),
        ("wrong_key", other_key),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn poison_is_parked_with_its_reason_and_the_messages_around_it_are_applied() {
    let system = System::start().await;
    let good = |change: &Change| (change.id.to_string(), encode(change));
    let (first, last) = (create("first"), create("last"));
    let wrong = wrong();
    let mut expected = Vec::new();
    let (key, payload) = good(&first);
    system
        .produce(0, Some(key.as_bytes()), Some(&payload))
        .await;
    for (reason, (key, payload)) in &wrong {
        let offset = system.produce(0, Some(key.as_bytes()), Some(payload)).await;
        expected.push((*reason, Some(key), Some(payload), offset));
    }
    // A message without a key and without a value is what compaction leaves behind a deletion.
    let offset = system.produce(0, None, None).await;
    expected.push(("unknown_version", None, None, offset));
    let (key, payload) = good(&last);
    system
        .produce(0, Some(key.as_bytes()), Some(&payload))
        .await;

    let mut letters = system.dead_letters(expected.len()).await;
    letters.sort_by_key(|letter| letter.header("offset").parse::<i64>().unwrap());
    for (letter, (reason, key, payload, offset)) in letters.iter().zip(expected) {
        assert_eq!(letter.header("reason"), reason, "{letter:?}");
        assert_eq!(letter.header("topic"), "todos2");
        assert_eq!(letter.header("partition"), "0");
        assert_eq!(letter.header("offset"), offset.to_string());
        let bytes = payload.map_or(0, Vec::len);
        assert_eq!(letter.header("bytes"), bytes.to_string());
        assert_eq!(letter.header("x-request-id"), REQUEST_ID);
        assert_ne!(letter.header("detail"), "");
        assert_eq!(letter.key.as_deref(), key.map(String::as_bytes));
        let kept = payload.map(|payload| &payload[..bytes.min(MAX_BYTES)]);
        assert_eq!(letter.payload.as_deref(), kept);
    }
    stack::wait::eventually("the message behind the poison", async || {
        system.titles().await == ["first", "last"]
    })
    .await;
    let log = system.consume.logs();
    assert!(log.contains(REQUEST_ID), "{log}");
    stack::wait::eventually("the commit behind the poison", async || {
        system.committed(0) == Some(offset + 2)
    })
    .await;

    // A restart parks nothing again.
    system.consume.restart().await.unwrap();
    let body = json!({ "title": "after" }).to_string();
    let path = system.site.post("/todos/", body).await.expect(202);
    let path = path.header("location").to_owned();
    stack::wait::eventually("the message after the restart", async || {
        system.site.get(&path).await.status == 200
    })
    .await;
    system.dead_letters(wrong.len() + 1).await;
}
