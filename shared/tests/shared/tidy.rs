//! The rules of the source tree that no compiler knows.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Most lines of a file; its unit tests are not counted.
const MAX_LINES: usize = 300;
const SERVICES: [&str; 2] = ["inventory", "payments"];
/// What every service has, by the same names.
const CORE_FILES: [&str; 9] = [
    "main.rs",
    "lib.rs",
    "config.rs",
    "app.rs",
    "domain.rs",
    "api.rs",
    "store.rs",
    "keys.rs",
    "worker.rs",
];
/// The folder and the file behind which the Redis client is hidden.
const REDIS_MODULE: [&str; 2] = ["shared/src/redis.rs", "shared/src/redis/"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The crates of the workspace: every folder with a manifest and sources.
fn crates() -> Vec<PathBuf> {
    let folders = fs::read_dir(root())
        .unwrap()
        .map(|entry| entry.unwrap().path());
    let mut crates: Vec<PathBuf> = folders
        .filter(|path| path.join("Cargo.toml").is_file() && path.join("src").is_dir())
        .collect();
    crates.sort_unstable();
    assert!(crates.len() >= 4, "{crates:?}");
    crates
}

/// All files below `folder` with one of these endings.
fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return found;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path, endings));
        } else if endings
            .iter()
            .any(|ending| path.to_str().unwrap().ends_with(ending))
        {
            found.push(path);
        }
    }
    found.sort_unstable();
    found
}

/// The sources and tests of all crates, with their text, named from the root.
fn texts(endings: &[&str]) -> Vec<(String, String)> {
    let folders = crates()
        .into_iter()
        .flat_map(|path| [path.join("src"), path.join("tests")]);
    let paths = folders.flat_map(|folder| files(&folder, endings));
    paths
        .map(|path| {
            let name = path
                .strip_prefix(root())
                .unwrap()
                .to_str()
                .unwrap()
                .to_owned();
            (name, fs::read_to_string(&path).unwrap())
        })
        .collect()
}

/// The code without its unit tests, which stand at the end of a file.
fn without_unit_tests(text: &str) -> &str {
    let tests = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
    &text[..tests]
}

/// Whether `word` stands in `text` as a word of its own.
fn names(text: &str, word: &str) -> bool {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .any(|found| found == word)
}

/// Code without comments, so that a sentence may say what it likes.
fn code(text: &str) -> String {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn a_domain_knows_nothing_of_the_world() {
    for service in SERVICES {
        let text = fs::read_to_string(root().join(service).join("src/domain.rs")).unwrap();
        for word in [
            "poem",
            "poem_openapi",
            "fred",
            "reqwest",
            "tokio",
            "tracing",
            "redis",
            "async",
        ] {
            assert!(
                !names(&code(&text), word),
                "{service}/src/domain.rs names {word}"
            );
        }
    }
}

#[test]
fn only_one_module_names_the_redis_client() {
    let own_name = file!();
    for (name, text) in texts(&[".rs"]) {
        let may = REDIS_MODULE.iter().any(|allowed| name.starts_with(allowed));
        if !may && !own_name.ends_with(&name) {
            assert!(!names(&code(&text), "fred"), "{name} names fred");
        }
    }
    for path in crates() {
        let manifest = fs::read_to_string(path.join("Cargo.toml")).unwrap();
        let may = path.ends_with("shared");
        assert!(
            may || !names(&manifest, "fred"),
            "{} depends on fred",
            path.display()
        );
    }
}

#[test]
fn no_file_is_longer_than_a_person_can_hold() {
    let mut too_long = Vec::new();
    for (name, text) in texts(&[".rs", ".lua"]) {
        let lines = without_unit_tests(&text).lines().count();
        if lines > MAX_LINES {
            too_long.push(format!("{name}: {lines}"));
        }
    }
    assert!(too_long.is_empty(), "over {MAX_LINES} lines: {too_long:?}");
}

#[test]
fn no_file_is_a_drawer_for_everything() {
    let drawers = [
        "utils", "util", "common", "helpers", "helper", "misc", "mod",
    ];
    for (name, _) in texts(&[".rs", ".lua"]) {
        let stem = Path::new(&name).file_stem().unwrap().to_str().unwrap();
        assert!(
            !drawers.contains(&stem),
            "{name} says nothing about what is in it"
        );
    }
}

/// Replicas of a container share its settings; a name among them would be that of all of them.
#[test]
fn compose_gives_no_consumer_a_name() {
    let compose = fs::read_to_string(root().join("compose.yaml")).unwrap();
    let settings = compose
        .lines()
        .filter(|line| !line.trim_start().starts_with('#'));
    let named: Vec<&str> = settings
        .filter(|line| line.contains("CONSUMER_NAME"))
        .collect();
    assert_eq!(named, [""; 0]);
}

#[test]
fn nothing_is_left_for_later() {
    // Put together here, so that this file does not find itself.
    let marks = [
        concat!("TO", "DO"),
        concat!("FIX", "ME"),
        concat!("XX", "X"),
        concat!("HA", "CK"),
    ];
    for (name, text) in texts(&[".rs", ".lua", ".toml"]) {
        for mark in marks {
            assert!(!names(&text, mark), "{name} has a {mark}");
        }
    }
}

#[test]
fn the_services_have_the_same_files() {
    for service in SERVICES {
        let src = root().join(service).join("src");
        for file in CORE_FILES {
            assert!(src.join(file).is_file(), "{service} has no {file}");
        }
        assert!(
            !files(&src.join("lua"), &[".lua"]).is_empty(),
            "{service} has no Lua"
        );
    }
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
                // What several functions know is none itself.
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

#[test]
fn every_test_file_belongs_to_a_binary() {
    for path in crates() {
        let manifest = fs::read_to_string(path.join("Cargo.toml")).unwrap();
        for folder in fs::read_dir(path.join("tests")).into_iter().flatten() {
            let folder = folder.unwrap().path();
            let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
            let main = format!("path = \"tests/{name}/main.rs\"");
            assert!(
                manifest.contains(&main),
                "{} is run by nobody",
                folder.display()
            );
            let text = fs::read_to_string(folder.join("main.rs")).unwrap();
            let modules: BTreeSet<&str> = text
                .lines()
                .filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'))
                .collect();
            for file in fs::read_dir(&folder).unwrap() {
                let file = file.unwrap().path();
                let stem = file.file_stem().unwrap().to_str().unwrap();
                assert!(
                    stem == "main" || modules.contains(stem),
                    "{} is run by nobody",
                    file.display()
                );
            }
        }
    }
}
