//! The keys of the stores, and the number of the layout that has them.
//!
//! A build finds nothing under the old name of a key, and takes that for a new store: stock would be
//! taken twice. So other keys are another layout, and a store of another layout is refused.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use super::services::SERVICES;
use super::tree::{read, root, sources};

/// The layout of both services. It rises with each change of the keys below.
const LAYOUT: usize = 2;
/// The keys of both services. The streams of events are not among them: golden tests have their
/// names.
const COMMON: [&str; 12] = [
    "attempts",
    "changes",
    "checkpoint",
    "dead_letter_ids",
    "dead_letters",
    "idempotency",
    "idempotency:days",
    "identity",
    "identity:absent",
    "incarnation",
    "libraries",
    "replays_due",
];
/// The further keys of each service.
const OWN: [(&str, &[&str]); 2] = [
    (
        "inventory",
        &[
            "movements",
            "names",
            "product",
            "products",
            "record_hours",
            "records",
            "records:swept",
            "refund_order",
        ],
    ),
    (
        "payments",
        &["account", "due", "order", "order_completed", "orders"],
    ),
];
/// What to do after a change of keys.
const ADVICE: &str = "other keys are another layout: raise `oldest` in `store/migration.rs` of the \
    service, or add a step there; then write keys and number down here and in docs/upgrades.md";

/// The names of all keys in the sources of a crate.
fn keys(krate: &str) -> BTreeSet<String> {
    let sources = [
        sources(&root().join("shared")),
        sources(&root().join(krate)),
    ]
    .concat();
    let constant = Regex::new(r#"const (\w+): &str = "([^"]*)";"#).unwrap();
    let constants: BTreeMap<_, _> = sources
        .iter()
        .flat_map(|(_, code)| constant.captures_iter(code))
        .map(|found| found.extract::<2>().1)
        .map(|[name, value]| (name, value))
        .collect();
    let key = Regex::new(r"partition\s*\.key(?:_of)?\(\s*([^,()]+?)\s*(?:,\s*([^()]*?)\s*)?\)");
    let key = key.unwrap();
    let mut names = BTreeSet::new();
    for (file, code) in &sources {
        for found in key.captures_iter(code) {
            let name = &found[1];
            // The stream of an event, of this service or of the other one.
            if name.ends_with("STREAM") || name == "witness.stream" {
                continue;
            }
            let name = text(name, &constants).unwrap_or_else(|| panic!("{file}: {name}"));
            let part = found
                .get(2)
                .and_then(|part| text(part.as_str(), &constants));
            names.insert(match part.filter(|part| !part.is_empty()) {
                Some(part) => format!("{name}:{part}"),
                None => name.to_owned(),
            });
        }
    }
    names
}

/// The text of a literal or a constant; `None` for a text that is known only at run time.
fn text<'a>(code: &'a str, constants: &BTreeMap<&'a str, &'a str>) -> Option<&'a str> {
    let literal = code
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    let name = code.rsplit("::").next().unwrap_or(code);
    literal.or_else(|| constants.get(name).copied())
}

/// The layout that a service reads and writes.
fn layout(service: &str) -> usize {
    let code = read(&root().join(service).join("src/store/migration.rs"));
    let layout = Regex::new(r"oldest: (\d+),\s*steps: &\[([^\]]*)\]").unwrap();
    let (_, [oldest, steps]) = layout.captures(&code).unwrap().extract();
    let steps = steps.split(',').filter(|step| !step.trim().is_empty());
    oldest.parse::<usize>().unwrap() + steps.count()
}

#[test]
fn a_layout_has_these_keys_and_no_others() {
    let upgrades = read(&root().join("docs/upgrades.md"));
    let newest = upgrades.lines().last().unwrap();
    assert!(newest.starts_with(&format!("| {LAYOUT} | ")), "{newest}");
    assert_eq!(OWN.map(|(service, _)| service), SERVICES);
    for (service, own) in OWN {
        let expected: BTreeSet<_> = COMMON
            .iter()
            .chain(own)
            .map(|&key| key.to_owned())
            .collect();
        assert_eq!(keys(service), expected, "{ADVICE}");
        assert_eq!(layout(service), LAYOUT, "{ADVICE}");
    }
}
