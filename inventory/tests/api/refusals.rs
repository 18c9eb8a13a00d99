//! What the service refuses, and what it tells the client.

use reqwest::Method;
use serde_json::json;

use crate::harness::{Answer, Service, read_to_end};
use tokio::io::AsyncWriteExt;

#[tokio::test]
async fn every_invalid_field_is_reported_at_once() {
    let service = Service::start().await;
    let (name, price, quantity) = ("#/name", "#/price", "#/quantity");
    for (body, pointers) in [
        (
            r#"{"name":" ","price":-1,"quantity":1.5}"#,
            vec![name, price, quantity],
        ),
        ("{}", vec![name, price, quantity]),
        (
            r#"{"name":7,"price":true,"quantity":"three"}"#,
            vec![name, price, quantity],
        ),
        (
            r#"{"name":null,"price":null,"quantity":null}"#,
            vec![name, price, quantity],
        ),
        (
            r#"{"name":["x"],"price":{"a":1},"quantity":[1]}"#,
            vec![name, price, quantity],
        ),
        (
            r#"{"name":"x","price":1,"quantity":1,"colour":"red"}"#,
            vec!["#/colour"],
        ),
        (
            r#"{"name":"x","price":1,"quantity":1,"a/b~c":0}"#,
            vec!["#/a~1b~0c"],
        ),
        (
            r#"{"name":"","prise":1,"quantity":1}"#,
            vec![name, price, "#/prise"],
        ),
        (
            r#"{"Name":"x","price":1,"quantity":1}"#,
            vec!["#/Name", name],
        ),
    ] {
        let answer = service.post("/products", body).await;
        assert_eq!(answer.invalid_fields(), pointers, "{body}");
    }
    assert_eq!(
        service.get("/products").await.body,
        "[]",
        "nothing was created"
    );
}

#[tokio::test]
async fn a_price_that_is_no_amount_is_refused() {
    let service = Service::start().await;
    for price in [
        "-1",
        "-0.01",
        "1e-3",
        "1e10",
        "1e999999999",
        "1e-999999999",
        "1.999",
        "0.001",
        "10000000000",
        "9999999999.991",
        "99999999999999999999999999",
        "\"-1\"",
        "\"1e-3\"",
        "\"NaN\"",
        "\"Infinity\"",
        "\"+1\"",
        "\" 1\"",
        "\"1 \"",
        "\"1,50\"",
        "\"1.\"",
        "\".5\"",
        "\"01\"",
        "\"0x1\"",
        "\"1_0\"",
        "\"\"",
        "\"١\"",
        "\"1\\u0000\"",
        "[]",
        "{}",
        "true",
        "null",
    ] {
        let body = format!(r#"{{"name":"Tea","price":{price},"quantity":1}}"#);
        let answer = service.post("/products", body).await;
        assert_eq!(answer.invalid_fields(), ["#/price"], "{price}");
    }
}

#[tokio::test]
async fn a_quantity_that_is_no_whole_number_in_range_is_refused() {
    let service = Service::start().await;
    for quantity in [
        "-1",
        "1.5",
        "1e-1",
        "1e10",
        "1e999999999",
        "1000000001",
        "4294967296",
        "18446744073709551616",
        "\"\"",
        "\"1.5\"",
        "\"+1\"",
        "\"-1\"",
        "\"01\"",
        "\" 1\"",
        "\"1e10\"",
        "\"0x1\"",
        "\"1000000001\"",
        "\"١\"",
        "null",
        "true",
        "[]",
        "{}",
    ] {
        let body = format!(r#"{{"name":"Tea","price":1,"quantity":{quantity}}}"#);
        let answer = service.post("/products", body).await;
        assert_eq!(answer.invalid_fields(), ["#/quantity"], "{quantity}");
    }
}

#[tokio::test]
async fn a_name_that_says_nothing_is_refused() {
    let service = Service::start().await;
    let too_long = "x".repeat(201);
    for name in [
        "",
        "   ",
        "\u{3000}",
        "a\nb",
        "a\0b",
        "\u{1b}[31m",
        "a\u{7f}",
        &too_long,
    ] {
        let body = json!({ "name": name, "price": 1, "quantity": 1 });
        let answer = service.post("/products", body.to_string()).await;
        assert_eq!(answer.invalid_fields(), ["#/name"], "{name:?}");
    }
    for name in [
        "\u{200b}",
        "\u{feff}\u{2060} ",
        "\u{3164}",
        "\u{e0041}",
        "a\u{202e}b",
        "a\u{200f}",
        "a\u{2028}b",
    ] {
        let body = json!({ "name": name, "price": 1, "quantity": 1 });
        let answer = service.post("/products", body.to_string()).await;
        assert_eq!(answer.invalid_fields(), ["#/name"], "{name:?}");
    }
}

#[tokio::test]
async fn half_a_surrogate_pair_is_told_from_a_value_that_is_no_text() {
    let service = Service::start().await;
    for half in [r"\ud800", r"tea \udc00", r"\ud800\ud800", r"\ud800x"] {
        let body = format!(r#"{{"name":"{half}","price":1,"quantity":1}}"#);
        let answer = service.post("/products", body).await;
        assert_eq!(answer.invalid_fields(), ["#/name"]);
        let detail = answer.json()["errors"][0]["detail"].to_string();
        assert!(detail.contains("half a surrogate pair"), "{half}: {detail}");
    }
    let answer = service
        .post("/products", r#"{"name":7,"price":1,"quantity":1}"#)
        .await;
    assert_eq!(answer.json()["errors"][0]["detail"], "must be a string");
    let whole = service
        .post(
            "/products",
            r#"{"name":"\ud83e\uded6","price":1,"quantity":1}"#,
        )
        .await;
    assert_eq!((whole.status, &whole.json()["name"]), (201, &json!("🫖")));
}

#[tokio::test]
async fn a_body_that_is_no_json_object_is_malformed() {
    let service = Service::start().await;
    let nested = format!("{{\"name\":{}", "[".repeat(10_000));
    let bodies: [&[u8]; 14] = [
        b"",
        b" ",
        b"{",
        b"{\"name\":}",
        b"{\"name\":\"x\",}",
        b"{\"name\":NaN}",
        b"{\"price\":01}",
        b"{\"price\":.5}",
        b"[]",
        b"\"text\"",
        b"7",
        b"null",
        b"{\"name\":\"\xff\"}",
        nested.as_bytes(),
    ];
    for body in bodies {
        let answer = service.post("/products", body.to_vec()).await;
        let problem = answer.problem(400, "malformed-body");
        let detail = problem["detail"].as_str().unwrap();
        let ours = [
            "the body ends too early",
            "the body is JSON, but not an object",
            "not JSON at",
            "the body is not UTF-8: byte 10 begins no character",
        ];
        assert!(ours.iter().any(|text| detail.starts_with(text)), "{detail}");
    }
    let answer = service.post("/products", "{\n  \"name\": x\n}").await;
    assert_eq!(answer.json()["detail"], "not JSON at line 2, column 11");
}

#[tokio::test]
async fn only_json_is_understood() {
    let service = Service::start().await;
    let body = r#"{"name":"Tea","price":1,"quantity":1}"#;
    for media_type in [
        "text/plain",
        "application/jsonx",
        "application/x-www-form-urlencoded",
        "json",
        "",
    ] {
        let request = service.request(Method::POST, "/products").body(body);
        let answer = Answer::to(request.header("content-type", media_type)).await;
        let problem = answer.problem(415, "unsupported-media-type");
        assert!(
            problem["detail"]
                .as_str()
                .unwrap()
                .ends_with("not application/json"),
            "{problem}"
        );
    }
    let without = Answer::to(service.request(Method::POST, "/products").body(body)).await;
    without.problem(415, "unsupported-media-type");
    for media_type in ["application/json; charset=utf-8", "Application/JSON"] {
        let request = service.request(Method::POST, "/products").body(body);
        Answer::to(request.header("content-type", media_type))
            .await
            .expect(201);
    }
}

#[tokio::test]
async fn a_body_beyond_16_kib_is_refused_however_it_is_sent() {
    let service = Service::start().await;
    let fitting = |length: usize| {
        let rest = r#"{"name":"Tea","price":1,"quantity":1,"x":""}"#.len();
        let filler = "y".repeat(length - rest);
        format!(r#"{{"name":"Tea","price":1,"quantity":1,"x":"{filler}"}}"#)
    };
    let largest = service.post("/products", fitting(16 * 1024)).await;
    assert_eq!(largest.invalid_fields(), ["#/x"], "the body was read");
    let larger = service.post("/products", fitting(16 * 1024 + 1)).await;
    larger.problem(413, "body-too-large");

    let head = "POST /products HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n";
    let declared = format!("{head}Content-Length: 1000000000000\r\n\r\n");
    let mut stream = service.connect().await;
    stream.write_all(declared.as_bytes()).await.unwrap();
    let answer = read_to_end(&mut stream).await;
    assert!(
        answer.starts_with("HTTP/1.1 413 "),
        "refused before it is sent: {answer}"
    );

    let chunk = format!("1000\r\n{}\r\n", "x".repeat(4096));
    let chunked = format!(
        "{head}Transfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
        chunk.repeat(5)
    );
    let answer = service.raw(&chunked).await;
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("/problems/body-too-large"), "{answer}");
}
