//! Entries that no handler can act on become dead letters, and the entries behind them flow.

use bytes::Bytes;
use shared::contract::event::{Event, OrderCompleted, RawFields, RefundOrder};
use shared::contract::id::ProductId;
use stack::role::Role;
use stack::wait::eventually;

use crate::harness::{Shop, completed};

#[tokio::test]
async fn an_entry_that_does_not_decode_is_parked_byte_for_byte_and_the_next_ones_flow() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 1_000).await;
    let entries: Vec<(&str, RawFields)> = vec![
        ("undecodable", without(raw(product), "order_id")),
        (
            "unknown_type",
            with(raw(product), "ce_type", b"order.completed.v9"),
        ),
        (
            "undecodable",
            with(raw(product), "quantity", b"\xff\xfe\x00\r\n"),
        ),
        ("undecodable", with(raw(product), "quantity", b"0")),
        ("undecodable", with(raw(product), "order_id", b"../../etc")),
        ("undecodable", unheard_of()),
    ];
    let mut expected = Vec::new();
    for (reason, fields) in entries {
        let stream = OrderCompleted::STREAM.to_owned();
        let id = shop.payments.add(stream, fields.clone()).await;
        expected.push((reason.to_owned(), id, fields));
        shop.emit(&[completed(product, 1)]).await;
    }
    shop.wait_drained().await;

    let letters = shop.inventory.dead_letters().await;
    assert!(letters.iter().all(|letter| letter.attempts == "1"));
    let parked = letters
        .into_iter()
        .map(|letter| (letter.reason, letter.entry_id, letter.fields));
    assert_eq!(parked.collect::<Vec<_>>(), expected);
    assert_eq!(shop.stock(product).await, 1_000 - expected.len() as u64);
}

#[tokio::test]
async fn an_entry_is_parked_once_however_often_it_is_delivered() {
    let shop = Shop::open().await;
    let stream = OrderCompleted::STREAM.to_owned();
    shop.payments.add(stream.clone(), unheard_of()).await;
    shop.wait_drained().await;
    for _ in 0..3 {
        let destroy = ["DESTROY", &stream, OrderCompleted::GROUP];
        shop.payments.ask("XGROUP", &destroy).await;
        shop.wait_drained().await;
    }
    assert_eq!(shop.inventory.dead_letters().await.len(), 1);
}

#[tokio::test]
async fn log_and_readyz_say_that_there_are_dead_letters_and_how_to_list_them() {
    let shop = Shop::open().await;
    let consumer = "inventory consume";
    let none = shop
        .probe(consumer, "readyz?verbose")
        .await
        .expect(200)
        .body;
    assert!(
        none.contains("dead_letters: 0") && none.contains("consumer: ok"),
        "{none}"
    );
    let id = shop
        .payments
        .add(OrderCompleted::STREAM.to_owned(), unheard_of())
        .await;
    shop.wait_drained().await;
    // Each figure stands for a second.
    eventually("the figure", async || {
        let some = shop
            .probe(consumer, "readyz?verbose")
            .await
            .expect(200)
            .body;
        some.contains("dead_letters: 1, the oldest for") && some.contains("pending: 0")
    })
    .await;
    assert_eq!(shop.readyz(consumer).await.expect(200).body, "ready");

    let listed = shop
        .run(Role::InventoryServe, &["dead-letters", "--limit", "5"])
        .await;
    assert!(listed.status.success());
    let listed = String::from_utf8(listed.stdout).unwrap();
    assert_eq!(listed.lines().count(), 1, "{listed}");
    let letter: serde_json::Value = serde_json::from_str(&listed).unwrap();
    assert_eq!(letter["fields"][3], serde_json::json!(["dl_entry_id", id]));
    let raw = serde_json::json!([{"base64": "wygA"}, {"base64": "gP8NCg=="}]);
    assert_eq!(letter["fields"][10], raw);
    let none = shop.run(Role::PaymentsServe, &["dead-letters"]).await;
    assert!(none.status.success() && none.stdout.is_empty());

    shop.system.process(consumer).restart().unwrap();
    let process = shop.system.process(consumer);
    eventually("the line of each minute", async || {
        let lines = process.last_lines(usize::MAX);
        lines
            .iter()
            .any(|line| line.contains("`inventory dead-letters` lists them"))
    })
    .await;
}

#[tokio::test]
async fn a_refund_that_cannot_be_acted_on_is_parked_by_payments() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 1).await;
    let stream = RefundOrder::STREAM.to_owned();
    shop.inventory.add(stream, unheard_of()).await;
    // payments does not know this order, so it cannot refund it.
    shop.emit(&[completed(product, 2)]).await;
    let (id, _) = shop.place_order(product, 2).await;
    shop.wait_status(id, "refunded").await;
    shop.wait_drained().await;

    let letters = shop.payments.dead_letters().await;
    let reasons: Vec<_> = letters.iter().map(|letter| &letter.reason).collect();
    assert_eq!(reasons, ["undecodable", "order_not_found"]);
    assert_eq!(letters[0].fields, unheard_of());
    assert_eq!(shop.inventory.dead_letters().await, []);
}

#[tokio::test]
async fn an_entry_that_fails_each_time_is_parked_after_five_attempts_and_its_neighbours_are_applied()
 {
    const BROKEN: [usize; 2] = [13, 37];
    let shop = Shop::start(Shop::builder().without("inventory consume")).await;
    let product = shop.create_product("thing", 1_000).await;
    let broken = ProductId::mint();
    let key = format!("product:{broken}");
    shop.inventory.ask("SET", &[&key, "no product"]).await;
    let mut events: Vec<_> = (0..50).map(|_| completed(product, 1)).collect();
    for place in BROKEN {
        events[place] = completed(broken, 1);
    }
    shop.emit(&events).await;
    shop.system.process("inventory consume").restart().unwrap();
    shop.wait_drained().await;

    let letters = shop.inventory.dead_letters().await;
    assert_eq!(letters.len(), BROKEN.len());
    for letter in &letters {
        assert_eq!(letter.reason, "max_deliveries");
        assert_eq!(letter.attempts, "5");
    }
    // Retries have jitter, so either entry may have been the first to fail for good.
    for place in BROKEN {
        let fields = to_raw(events[place].encode());
        assert!(letters.iter().any(|letter| letter.fields == fields));
    }
    assert_eq!(shop.stock(product).await, 1_000 - 48);
    assert_eq!(
        shop.movements(product).await,
        1 + 48,
        "each order is applied once"
    );
}

#[tokio::test]
async fn no_entry_is_parked_because_its_acknowledgement_fails() {
    let shop = Shop::open().await;
    let product = shop.create_product("thing", 1_000).await;
    let consumer = shop.system.process("inventory consume");
    // inventory takes the stock and cannot acknowledge. No process dies, so no entry counts as a
    // killer.
    let forbid = ["SETUSER", "inventory", "-xack"];
    shop.payments.ask("ACL", &forbid).await;
    let events: Vec<_> = (0..20).map(|_| completed(product, 1)).collect();
    shop.emit(&events).await;
    eventually("some stock to be taken", async || {
        shop.stock(product).await < 1_000
    })
    .await;
    consumer.kill();
    consumer.restart().unwrap();
    eventually("the consumer to try again and again", async || {
        let lines = consumer.last_lines(usize::MAX);
        lines.iter().any(|line| line.contains("failures=8"))
    })
    .await;
    let allow = ["SETUSER", "inventory", "+xack"];
    shop.payments.ask("ACL", &allow).await;
    shop.assert_quiet().await;
    assert_eq!(shop.stock(product).await, 980);
}

/// The fields of a good event.
fn raw(product: ProductId) -> RawFields {
    to_raw(completed(product, 1).encode())
}

fn to_raw(fields: Vec<(&'static str, String)>) -> RawFields {
    let fields = fields.into_iter();
    fields
        .map(|(name, value)| (Bytes::from(name), Bytes::from(value)))
        .collect()
}

/// Fields that no event has, bytes that are not text, and a word with which a push message may
/// begin.
fn unheard_of() -> RawFields {
    let field = |name: &'static [u8], value: &'static [u8]| (name.into(), value.into());
    vec![
        field(b"message", b"message"),
        field(b"\xc3\x28\x00", b"\x80\xff\r\n"),
        field(b"", b""),
    ]
}

fn without(fields: RawFields, name: &str) -> RawFields {
    let fields = fields.into_iter();
    fields.filter(|(field, _)| field != name).collect()
}

fn with(mut fields: RawFields, name: &str, value: &'static [u8]) -> RawFields {
    let field = fields.iter_mut().find(|(field, _)| field == name);
    field.unwrap().1 = Bytes::from_static(value);
    fields
}
