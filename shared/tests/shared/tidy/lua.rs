//! Each Lua file is one function with a header, short enough to read on one screen.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use super::services::SERVICES;
use super::tree::{assert_known, files, names, root, texts, words};

/// Longest line, in characters.
const MAX_COLUMNS: usize = 100;
/// Longest function, in lines.
const MAX_FUNCTION_LINES: usize = 40;
/// Files with longer lines today.
const WIDE: [&str; 0] = [];
/// Functions that are longer today.
const LONG: [&str; 0] = [];

#[test]
fn lua_is_not_wider_than_rust() {
    let mut wide = BTreeSet::new();
    for (name, text) in texts(&[".lua"]) {
        if text.lines().any(|line| line.chars().count() > MAX_COLUMNS) {
            wide.insert(name);
        }
    }
    assert_known("wider than 100 columns", &wide, &WIDE);
}

#[test]
fn a_lua_function_is_not_longer_than_a_person_can_hold() {
    let mut long = BTreeSet::new();
    for (name, text) in texts(&[".lua"]) {
        let mut function = None;
        for (line, content) in text.lines().enumerate() {
            if content.starts_with("local function ") || content.starts_with("function ") {
                function = Some((line, content));
            }
            if content.starts_with("end")
                && let Some((start, title)) = function.take()
                && line + 1 - start > MAX_FUNCTION_LINES
            {
                let (title, _) = title.split_once('(').unwrap();
                long.insert(format!("{name}: {}", title.rsplit(' ').next().unwrap()));
            }
        }
    }
    assert_known("longer than 40 lines", &long, &LONG);
}

#[test]
fn every_lua_function_is_called() {
    let texts = texts(&[".lua"]);
    let mut uses: BTreeMap<&str, usize> = BTreeMap::new();
    let code: Vec<String> = texts.iter().map(|(_, text)| lua_code(text)).collect();
    for word in code.iter().flat_map(|code| words(code)) {
        *uses.entry(word).or_default() += 1;
    }
    for line in code.iter().flat_map(|code| code.lines()) {
        let function = line.strip_prefix("local function ");
        if let Some((name, _)) = function.and_then(|rest| rest.split_once('(')) {
            assert!(uses[name] > 1, "nothing calls {name}");
        }
    }
}

/// Lua without comments.
fn lua_code(text: &str) -> String {
    let body = text.rsplit_once("]]").map_or(text, |(_, body)| body);
    let lines = body.lines().map(|line| line.split("--").next().unwrap());
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn every_lua_file_is_one_function_that_says_what_it_takes_and_answers() {
    for service in SERVICES {
        let folder = root().join(service).join("src");
        let mut store = fs::read_to_string(folder.join("store.rs")).unwrap();
        for part in files(&folder.join("store"), &[".rs"]) {
            store += &fs::read_to_string(part).unwrap();
        }
        let lua = files(&folder.join("lua"), &[".lua"]);
        for path in &lua {
            let name = path.file_stem().unwrap().to_str().unwrap();
            if path.parent().unwrap().ends_with("common") {
                // The code that several functions share is no function itself.
                let loaded = format!("include_str!(\"lua/common/{name}.lua\")");
                assert!(
                    store.contains(&loaded),
                    "{service}/src/store.rs does not load {name}"
                );
                continue;
            }
            let text = fs::read_to_string(path).unwrap();
            let header = text.split_once("]]").unwrap().0;
            assert!(
                header.starts_with(&format!("--[[ {name}: ")),
                "{name}: its header names another"
            );
            for part in ["\n  KEYS  1 identity", "\n  ARGV  ", "\n  Reply "] {
                assert!(header.contains(part), "{name}: the header has no {part:?}");
            }
            let emits = ["emit_refund(", "emit_completed("]
                .iter()
                .any(|call| text.contains(call));
            assert_eq!(emits, header.contains("\n  Event "), "{name}");
            let registered: Vec<&str> = text
                .lines()
                .filter(|line| line.starts_with("register("))
                .collect();
            let expected = format!("register('{name}', {name}");
            assert!(
                registered.len() == 1 && registered[0].starts_with(&expected),
                "{registered:?}"
            );
            let loaded = format!("include_str!(\"lua/{name}.lua\")");
            assert!(
                store.contains(&loaded),
                "{service}/src/store.rs does not load {name}"
            );
            let called = format!("\"{name}\"");
            assert!(
                store.contains(&called),
                "{service}/src/store.rs does not call {name}"
            );
            assert!(
                names(&store, name),
                "{service}/src/store.rs has no method {name}"
            );
        }
        let loaded = store.matches("include_str!(\"lua/").count();
        assert_eq!(loaded, lua.len(), "{service}");
    }
}
