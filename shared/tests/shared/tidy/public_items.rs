//! Each public item is used by other code. The compiler cannot check that in a library.

use std::collections::{BTreeMap, BTreeSet};

use regex::Regex;

use super::tree::{assert_known, code, is_unit_test, texts, without_unit_tests, words};

/// The libraries that are checked.
const LIBRARIES: [&str; 6] = [
    "shared/src/",
    "inventory/src/",
    "payments/src/",
    "stack/src/",
    "proof/src/",
    "examples/",
];
/// Public items that only their own definition names.
const KNOWN: [&str; 0] = [];

/// The code of the workspace without unit tests and without `pub use`, by file.
fn all_code() -> Vec<(String, String)> {
    let exports = Regex::new(r"(?m)^\s*pub(?:\(\w+\))? use [^;]*;").unwrap();
    let texts = texts(&[".rs"]).into_iter();
    let texts = texts.filter(|(name, _)| !(name.contains("/src/") && is_unit_test(name)));
    texts
        .map(|(name, text)| {
            let code = code(without_unit_tests(&text));
            (name, exports.replace_all(&code, "").into_owned())
        })
        .collect()
}

#[test]
fn every_public_item_is_used() {
    let item = r"(?m)^\s*pub (?:const |async |unsafe )*(?:fn|struct|enum|union|const|static|trait|type) (?:mut )?(\w+)";
    let definition = r"(?:fn|struct|enum|union|const|static|trait|type) (?:mut )?(\w+)";
    let (item, definition) = (Regex::new(item).unwrap(), Regex::new(definition).unwrap());
    let code = all_code();
    let mut uses: BTreeMap<&str, isize> = BTreeMap::new();
    for (_, text) in &code {
        for word in words(text) {
            *uses.entry(word).or_default() += 1;
        }
        for defined in definition.captures_iter(text) {
            *uses.entry(defined.get(1).unwrap().as_str()).or_default() -= 1;
        }
    }
    let mut unused = BTreeSet::new();
    for (name, text) in &code {
        if LIBRARIES.iter().any(|library| name.starts_with(library)) {
            for public in item.captures_iter(text) {
                let public = public.get(1).unwrap().as_str();
                if uses[public] <= 0 {
                    unused.insert(format!("{name}: {public}"));
                }
            }
        }
    }
    assert_known("public, and nothing uses it", &unused, &KNOWN);
}
