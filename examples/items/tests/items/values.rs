//! Which names and values are taken, how they may be sent, and that they come back unchanged.

use harness::http::{Answer, Method};
use serde_json::json;
use stack::client::read_to_end;
use stack::wait::eventually;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpSocket;

use crate::harness::{System, detail};

/// Most bytes of a value.
const MAX: usize = 64 * 1024;
/// The most large bodies that a process reads at once.
const LARGE_BODIES: usize = 32;

#[tokio::test]
async fn a_value_comes_back_byte_for_byte() {
    let system = System::start(1).await;
    for (name, value) in [
        ("plain", "tea"),
        ("spaces", "  two  spaces and\na line\r\n"),
        ("unicode", "Grüße 👋🏽 \u{202e}"),
        ("quotes", r#"{"a": "\\ \" \u0000"}"#),
        ("controls", "\u{0}\u{1}\u{7f}"),
        ("looks-like-an-error", "ERR no such key"),
        ("looks-like-a-redirection", "MOVED 1 127.0.0.1:1"),
    ] {
        system.write_applied(name, value).await;
        assert_eq!(system.value(name).await, value, "{name}");
    }
}

#[tokio::test]
async fn a_value_of_64_kib_is_taken_however_it_is_escaped() {
    let system = System::start(1).await;
    for letter in ["v", "\u{1}", "é"] {
        let value = letter.repeat(MAX / letter.len());
        let escaped = value
            .encode_utf16()
            .fold(String::new(), |text, unit| text + &format!("\\u{unit:04x}"));
        let body = format!(r#"{{"value": "{escaped}"}}"#);
        let ticket = system
            .post("/items/large?wait=applied", body)
            .await
            .expect(200)
            .json();
        assert_eq!(ticket["status"], "applied", "{letter:?}");
        assert!(system.value("large").await == value, "{letter:?}");
    }
    system.assert_drained().await;
}

#[tokio::test]
async fn a_longer_value_is_refused_and_nothing_is_written() {
    let system = System::start(0).await;
    let body = json!({ "value": "v".repeat(MAX + 1) }).to_string();
    let answer = system.post("/items/1", body).await;
    assert_eq!(answer.invalid_fields(), ["#/value"]);
    let body = json!({ "value": "v".repeat(7 * MAX) }).to_string();
    let answer = system.post("/items/1", body).await;
    answer.problem(413, "body-too-large");
    assert_eq!(detail(&answer), "the limit is 394240 bytes");
    let written = system.operate::<u64>(&["EXISTS", "writes", "item:1", "backlog"]);
    assert_eq!(written.await, 0);
}

#[tokio::test]
async fn a_length_that_no_number_can_hold_is_refused_with_the_limit_of_the_service() {
    let system = System::start(0).await;
    let head = "POST /items/1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
        Content-Length: 18446744073709551616\r\n\r\n";
    let answer = system.raw(head).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("the limit is 394240 bytes"), "{answer}");
}

#[tokio::test]
async fn a_large_body_without_a_length_is_refused() {
    let system = System::start(0).await;
    let piece = "v".repeat(MAX / 2);
    let head = "POST /items/1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
        Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n";
    let chunk = format!("{:x}\r\n{piece}\r\n0\r\n\r\n", piece.len());
    let answer = system.raw(&format!("{head}{chunk}")).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("the limit is 16384 bytes"), "{answer}");
}

/// The head of a write with this body.
fn head(body: &str) -> String {
    format!(
        "POST /items/1 HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
        Content-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )
}

#[tokio::test]
async fn a_client_that_announces_large_bodies_and_sends_none_stops_no_other_address() {
    let system = System::start(0).await;
    let body = json!({ "value": "v".repeat(MAX) }).to_string();
    let mut idle = Vec::new();
    for _ in 0..LARGE_BODIES {
        let mut stream = system.connect().await;
        stream.write_all(head(&body).as_bytes()).await.unwrap();
        idle.push(stream);
    }
    let refused = eventually(
        "one more large body of the address is refused",
        async || {
            let answer = system.post("/items/1", body.clone()).await;
            (answer.status == 503).then_some(answer)
        },
    )
    .await;
    refused.assert_unavailable("overloaded");
    let other = TcpSocket::new_v4().unwrap();
    other.bind("127.0.0.2:0".parse().unwrap()).unwrap();
    let address = system.api.url().trim_start_matches("http://").parse();
    let mut other = other.connect(address.unwrap()).await.unwrap();
    let request = head(&body) + &body;
    other.write_all(request.as_bytes()).await.unwrap();
    let answer = read_to_end(&mut other).await;
    assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
}

/// Each connection may bring a body, so large bodies could fill the memory of the process.
#[tokio::test]
async fn at_most_32_large_bodies_are_read_at_once() {
    // The tests have one address, which may have all connections here.
    let system = System::start_with(1, &[("MAX_CONNECTIONS_PER_ADDRESS", "4096")]).await;
    let body = json!({ "value": "v".repeat(MAX) }).to_string();
    let head = head(&body);
    let mut streams = Vec::new();
    for _ in 0..LARGE_BODIES {
        let mut stream = system.connect().await;
        stream.write_all(head.as_bytes()).await.unwrap();
        streams.push(stream);
    }
    let refused = eventually("one more large body is refused", async || {
        let answer = system.post("/items/1", body.clone()).await;
        (answer.status == 503).then_some(answer)
    })
    .await;
    refused.assert_unavailable("overloaded");
    system.write_applied("1", "a small body is taken").await;
    for stream in &mut streams {
        stream.write_all(body.as_bytes()).await.unwrap();
        let answer = read_to_end(stream).await;
        assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    }
    system.post("/items/1", body).await.expect(202);
}

#[tokio::test]
async fn a_value_may_stand_in_the_query_instead() {
    let system = System::start(1).await;
    let path = "/items/1?value=a%20b%2Bc%C3%A9&wait=applied";
    system.ask(Method::POST, path, &[]).await.expect(200);
    assert_eq!(system.value("1").await, "a b+cé");
    let both = system.post("/items/1?value=a", r#"{"value": "b"}"#).await;
    assert_eq!(both.invalid_fields(), ["#/value"]);
    let twice = system
        .ask(Method::POST, "/items/1?value=a&value=b", &[])
        .await;
    twice.problem(400, "invalid-parameter");
    assert_eq!(system.value("1").await, "a b+cé");
}

#[tokio::test]
async fn a_name_has_1_to_200_characters_and_no_control_characters() {
    let system = System::start(1).await;
    let longest = "%C3%A9".repeat(200);
    for name in ["a", "a%20b", "a%2Fb", "%7B1%7D", "a:b", &longest] {
        let written = system.write_applied(name, name).await;
        assert_eq!(written["version"], 1, "{name}");
        assert_eq!(system.value(name).await, *name);
    }
    for name in ["a%0Ab", "%00", &"a".repeat(201)] {
        let path = format!("/items/{name}");
        let written: Answer = system.post(&path, r#"{"value": "tea"}"#).await;
        written.problem(400, "invalid-parameter");
        assert!(
            detail(&written).starts_with("item_id: must have 1 to 200"),
            "{written:?}"
        );
        system.get(&path).await.problem(404, "not-found");
    }
}
