//! Writes the fields of a dead letter, and reads them again.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::redis::{Command, Entry};
use crate::stream::delivery::{Delivery, Parking};
use crate::stream::group::Membership;

/// The prefix of the fields that a dead letter has beside the fields of its entry.
const OURS: &[u8] = b"dl_";
/// The most bytes of the text that says what is wrong.
const MAX_DETAIL: usize = 1024;

/// The number of fields with the prefix in a dead letter of a build that wrote no digest.
const BEFORE_DIGESTS: usize = 7;

/// Adds the fields of a dead letter to `add`: what is known about the failure, then the fields of
/// the entry as they came. For an entry that was cut, its length and digest stand for the missing
/// part.
pub(super) fn write(
    add: Command,
    membership: &Membership,
    delivery: &Delivery,
    parking: &Parking,
) -> Command {
    let Parking { reason, detail } = parking;
    let detail = &detail[..detail.floor_char_boundary(MAX_DETAIL)];
    let Membership {
        stream,
        group,
        consumer,
    } = membership;
    let entry = &delivery.entry;
    let mut add = add
        .args([
            "dl_reason",
            *reason,
            "dl_error",
            detail,
            "dl_stream",
            stream,
        ])
        .args([
            "dl_entry_id",
            &entry.id,
            "dl_group",
            *group,
            "dl_consumer",
            consumer,
        ])
        .arg("dl_attempts")
        .arg(i64::from(delivery.attempts) + 1)
        .arg("dl_bytes")
        .arg(i64::try_from(entry.bytes()).unwrap_or(i64::MAX))
        .arg("dl_digest")
        .arg(entry.digest());
    for (name, value) in entry.fields.iter().flatten() {
        add = add.arg(name.clone()).arg(value.clone());
    }
    add
}

/// The name of the entry of a dead letter; `None` if the dead letter does not tell.
pub(super) fn name_of(letter: &Entry) -> Option<String> {
    let ours = letter
        .fields
        .iter()
        .flatten()
        .take_while(|(name, _)| name.starts_with(OURS));
    let ours: Vec<_> = ours.collect();
    let text = |wanted: &str| {
        let found = ours.iter().find(|(name, _)| name == wanted);
        found.and_then(|(_, value)| std::str::from_utf8(value).ok())
    };
    let id = text("dl_entry_id")?.to_owned();
    if let Some(digest) = text("dl_digest") {
        return Some(format!("{id} {digest}"));
    }
    // A build that wrote no digest kept all fields.
    let fields = letter
        .fields
        .clone()?
        .into_iter()
        .skip(BEFORE_DIGESTS)
        .collect();
    Some(super::name(&Entry {
        id,
        fields: Some(fields),
        cut: None,
    }))
}

/// All fields of a dead letter as JSON: pairs of texts. Bytes that are not UTF-8 become an object
/// with the bytes in base64.
pub(super) fn as_json(fields: &[(Bytes, Bytes)]) -> Value {
    let value = |bytes: &[u8]| match std::str::from_utf8(bytes) {
        Ok(text) => json!(text),
        Err(_) => json!({ "base64": BASE64_STANDARD.encode(bytes) }),
    };
    fields
        .iter()
        .map(|(name, content)| json!([value(name), value(content)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::event::RawFields;

    fn fields(fields: &[(&'static str, &'static str)]) -> RawFields {
        fields
            .iter()
            .map(|&(name, value)| (name.into(), value.into()))
            .collect()
    }

    fn entry(id: &str, parts: &[&[(&'static str, &'static str)]]) -> Entry {
        Entry {
            id: id.to_owned(),
            fields: Some(fields(&parts.concat())),
            cut: None,
        }
    }

    #[test]
    fn a_dead_letter_is_known_by_its_entry_also_one_of_an_older_build() {
        let raw = [("ce_type", "x"), ("dl_digest", "forged")];
        let entry = self::entry("5-0", &[&raw]);
        let mut ours = vec![
            ("dl_reason", "r"),
            ("dl_error", "e"),
            ("dl_stream", "s"),
            ("dl_entry_id", "5-0"),
            ("dl_group", "g"),
            ("dl_consumer", "c"),
            ("dl_attempts", "1"),
        ];
        let name = super::super::name(&entry);
        assert_eq!(
            name_of(&self::entry("9-0", &[&ours, &raw])),
            Some(name.clone())
        );
        let digest: &'static str = entry.digest().leak();
        ours.extend([("dl_bytes", "8"), ("dl_digest", digest)]);
        assert_eq!(name_of(&self::entry("9-1", &[&ours, &raw])), Some(name));
        assert_eq!(name_of(&self::entry("9-2", &[&raw])), None);
    }

    #[test]
    fn all_bytes_of_a_dead_letter_are_in_its_json() {
        let fields = vec![
            ("name".into(), "\"é\"".into()),
            (vec![0xff, 0].into(), "".into()),
        ];
        let expected = r#"[["name","\"é\""],[{"base64":"/wA="},""]]"#;
        assert_eq!(as_json(&fields).to_string(), expected);
    }
}
