use super::*;

fn raw(fields: &[(&str, &str)]) -> RawFields {
    fields
        .iter()
        .map(|(name, value)| {
            (
                Bytes::copy_from_slice(name.as_bytes()),
                Bytes::copy_from_slice(value.as_bytes()),
            )
        })
        .collect()
}

/// The bytes on the wire. A change here breaks consumers in other languages: add a field, or add a
/// type.
const ORDER_COMPLETED: [(&str, &str); 14] = [
    ("ce_specversion", "1.0"),
    ("ce_id", "01932c4e-7c1a-7000-8000-2f0d6a1b9c3e:completed"),
    ("ce_source", "/payments"),
    ("ce_type", "order.completed.v1"),
    ("ce_time", "2026-11-20T10:00:05.123Z"),
    (
        "traceparent",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ),
    ("request_id", "req-1"),
    ("order_id", "01932c4e-7c1a-7000-8000-2f0d6a1b9c3e"),
    ("product_id", "01932c4e-0000-7000-8000-000000000001"),
    ("quantity", "2"),
    ("price", "19.90"),
    ("fee", "7.96"),
    ("total", "47.76"),
    ("status", "paid"),
];

const REFUND_ORDER: [(&str, &str); 11] = [
    ("ce_specversion", "1.0"),
    ("ce_id", "01932c4e-7c1a-7000-8000-2f0d6a1b9c3e:refund"),
    ("ce_source", "/inventory"),
    ("ce_type", "order.refund_requested.v1"),
    ("ce_time", "2026-11-20T10:00:05.456Z"),
    (
        "traceparent",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
    ),
    ("request_id", "req-1"),
    ("order_id", "01932c4e-7c1a-7000-8000-2f0d6a1b9c3e"),
    ("product_id", "01932c4e-0000-7000-8000-000000000001"),
    ("quantity", "2"),
    ("reason", "insufficient_stock"),
];

fn encoded<E: Event>(event: &E) -> Vec<(String, String)> {
    event
        .encode()
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn owned(fields: &[(&str, &str)]) -> Vec<(String, String)> {
    fields
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect()
}

fn without(
    fields: &[(&'static str, &'static str)],
    name: &str,
) -> Vec<(&'static str, &'static str)> {
    fields
        .iter()
        .copied()
        .filter(|(field, _)| *field != name)
        .collect()
}

fn with(fields: &[(&'static str, &'static str)], name: &str, value: &'static str) -> RawFields {
    raw(&fields
        .iter()
        .map(|(field, old)| (*field, if *field == name { value } else { *old }))
        .collect::<Vec<_>>())
}

#[test]
fn order_completed_stands_on_the_wire_as_published() {
    let event = OrderCompleted::decode(&raw(&ORDER_COMPLETED)).unwrap();
    assert_eq!(encoded(&event), owned(&ORDER_COMPLETED));
    assert_eq!(event.quantity, 2);
    assert_eq!(event.ordered_at, event.order_id.minted_at().unwrap());
}

#[test]
fn refund_order_stands_on_the_wire_as_published() {
    let event = RefundOrder::decode(&raw(&REFUND_ORDER)).unwrap();
    assert_eq!(encoded(&event), owned(&REFUND_ORDER));
    assert_eq!(event.reason, RefundReason::InsufficientStock);
}

#[test]
fn unknown_fields_are_ignored_and_order_does_not_matter() {
    let mut fields = raw(&ORDER_COMPLETED);
    fields.reverse();
    fields.push(("gift_wrap".into(), "yes".into()));
    assert!(OrderCompleted::decode(&fields).is_ok());
}

#[test]
fn an_unknown_type_is_told_apart_from_a_broken_entry() {
    let newer = with(&ORDER_COMPLETED, "ce_type", "order.completed.v2");
    assert_eq!(
        OrderCompleted::decode(&newer).unwrap_err().reason(),
        "unknown_type"
    );
    assert_eq!(
        OrderCompleted::decode(&raw(&REFUND_ORDER))
            .unwrap_err()
            .reason(),
        "unknown_type"
    );
    assert_eq!(
        OrderCompleted::decode(&Vec::new()).unwrap_err(),
        DecodeError::Missing("ce_type")
    );
}

#[test]
fn every_field_of_the_data_is_needed_and_checked() {
    for name in [
        "ce_time",
        "order_id",
        "product_id",
        "quantity",
        "price",
        "fee",
        "total",
    ] {
        let missing = raw(&without(&ORDER_COMPLETED, name));
        assert_eq!(
            OrderCompleted::decode(&missing).unwrap_err(),
            DecodeError::Missing(name)
        );
        let broken = with(&ORDER_COMPLETED, name, "-1e3");
        assert_eq!(
            OrderCompleted::decode(&broken).unwrap_err().reason(),
            "undecodable",
            "{name}"
        );
    }
    for (name, value) in [
        ("quantity", "0"),
        ("quantity", "4294967296"),
        ("order_id", "6b2f3a1e-0d4c-4f5b-9a77-0c1d2e3f4a5b"),
    ] {
        assert_eq!(
            OrderCompleted::decode(&with(&ORDER_COMPLETED, name, value))
                .unwrap_err()
                .reason(),
            "undecodable"
        );
    }
    assert_eq!(
        RefundOrder::decode(&with(&REFUND_ORDER, "reason", "whim"))
            .unwrap_err()
            .reason(),
        "undecodable"
    );
}

#[test]
fn bytes_that_are_no_text_are_an_error_and_not_a_panic() {
    let mut fields = raw(&ORDER_COMPLETED);
    fields[9].1 = Bytes::from_static(&[0xff, 0xfe]);
    assert_eq!(
        OrderCompleted::decode(&fields).unwrap_err().reason(),
        "undecodable"
    );
}

#[test]
fn a_broken_trace_does_not_keep_an_order_from_its_stock() {
    for name in ["traceparent", "request_id"] {
        assert!(OrderCompleted::decode(&with(&ORDER_COMPLETED, name, "rub bish")).is_ok());
        assert!(OrderCompleted::decode(&raw(&without(&ORDER_COMPLETED, name))).is_ok());
    }
}

/// What the document promises, every entry keeps: its example is an entry that was written.
fn assert_documented<E: Event>() {
    let example = E::example();
    for field in example.attributes().into_iter().chain(example.data()) {
        let fits = match field.form {
            Form::Text => true,
            Form::OneOf(words) => words.contains(&field.value.as_str()),
            Form::Pattern(pattern, _) => regex::Regex::new(pattern).unwrap().is_match(&field.value),
        };
        assert!(fits, "{field:?}");
        assert_eq!(field.schema()["examples"][0], field.value);
    }
    let entry = example.encode();
    let entry: Vec<(&str, &str)> = entry
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    assert_eq!(E::decode(&raw(&entry)).unwrap().encode(), example.encode());
}

#[test]
fn an_entry_is_what_the_document_says() {
    assert_documented::<OrderCompleted>();
    assert_documented::<RefundOrder>();
    for word in RefundReason::WORDS {
        assert_eq!(word.parse::<RefundReason>().unwrap().as_str(), *word);
    }
}
