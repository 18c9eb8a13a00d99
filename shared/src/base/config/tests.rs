use super::*;
use std::collections::HashMap;

const DELAY: Setting = Setting {
    name: "DELAY",
    default: "5s",
    help: "how long",
};
const COUNT: Setting = Setting {
    name: "COUNT",
    default: "",
    help: "how many",
};
const STORE: Setting = Setting {
    name: "STORE",
    default: "127.0.0.1:6379",
    help: "where",
};

fn reader(set: &[(&str, &str)]) -> Reader {
    let set: HashMap<String, String> = set
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
        .collect();
    Reader::from_source(move |name| set.get(name).cloned())
}

fn delay(reader: &mut Reader) -> Option<Duration> {
    reader.span(DELAY, Duration::ZERO, Duration::from_mins(1))
}

#[test]
fn defaults_stand_where_nothing_is_set() {
    let mut reader = reader(&[]);
    assert_eq!(delay(&mut reader), Some(Duration::from_secs(5)));
    assert_eq!(reader.optional::<u16>(COUNT), Some(None));
}

#[test]
fn a_length_of_time_has_a_unit_or_is_in_seconds() {
    for (text, ms) in [("0", 0), ("7", 7_000), ("250ms", 250), ("1m", 60_000)] {
        assert_eq!(
            delay(&mut reader(&[("DELAY", text)])),
            Some(Duration::from_millis(ms))
        );
    }
}

#[test]
fn all_mistakes_are_reported_at_once() {
    let mut reader = reader(&[
        ("DELAY", "1h"),
        ("COUNT", "many"),
        ("STORE_FILE", "/nowhere"),
    ]);
    let config = delay(&mut reader)
        .zip(reader.optional::<u16>(COUNT))
        .zip(reader.read::<Address>(STORE));
    let Mistakes(lines) = reader.finish(config).unwrap_err();
    // `zip` evaluates each reading, so that none hides behind another.
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(
        lines[0] == "DELAY: cannot be \"1h\" (how long)",
        "{lines:?}"
    );
    assert!(lines[2].contains("/nowhere"), "{lines:?}");
}

#[test]
fn a_value_may_come_from_a_file() {
    let path = std::env::temp_dir().join(format!("shared-config-{}", std::process::id()));
    std::fs::write(&path, "3s\n").unwrap();
    let path_text = path.to_str().unwrap();
    assert_eq!(
        delay(&mut reader(&[("DELAY_FILE", path_text)])),
        Some(Duration::from_secs(3))
    );
    std::fs::remove_file(path).unwrap();
}
