//! The length and the name of each file, and the test binary that runs it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::tree::{
    code, crates, files, folders, is_unit_test, name_of, names, read, root, texts,
    without_unit_tests,
};

/// Most lines of a file; its unit tests are not counted.
const MAX_LINES: usize = 300;
/// Most lines of the median source file of a crate; its unit tests are not counted.
const MAX_MEDIANS: [(&str, usize); 3] = [("shared", 130), ("inventory", 130), ("payments", 130)];
/// The folder and the file behind which the Redis client is hidden.
const REDIS_MODULE: [&str; 2] = ["shared/src/redis.rs", "shared/src/redis/"];
/// Folders without a crate of the workspace.
const NO_CRATES: [&str; 2] = ["target", "node_modules"];

#[test]
fn every_crate_is_a_member_of_the_workspace() {
    let members: BTreeSet<_> = crates().into_iter().collect();
    let mut open = folders(root());
    while let Some(folder) = open.pop() {
        let name = folder.file_name().unwrap().to_str().unwrap().to_owned();
        if name.starts_with('.') || NO_CRATES.contains(&&*name) {
            continue;
        }
        if folder.join("Cargo.toml").is_file() {
            let name = name_of(&folder);
            assert!(
                members.contains(&folder),
                "{name} is no member of the workspace"
            );
        }
        open.extend(folders(&folder));
    }
}

#[test]
fn only_one_module_names_the_redis_client() {
    for (name, text) in texts(&[".rs"]) {
        let may = REDIS_MODULE.iter().any(|allowed| name.starts_with(allowed));
        if !may && !name.starts_with("shared/tests/shared/tidy/") {
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
        if lines > MAX_LINES && !(name.contains("/src/") && is_unit_test(&name)) {
            too_long.push(format!("{name}: {lines}"));
        }
    }
    assert!(too_long.is_empty(), "over {MAX_LINES} lines: {too_long:?}");
}

#[test]
fn the_median_file_is_short() {
    for (name, most) in MAX_MEDIANS {
        let mut lines = Vec::new();
        for path in files(&root().join(name).join("src"), &[".rs"]) {
            if !is_unit_test(&name_of(&path)) {
                lines.push(without_unit_tests(&read(&path)).lines().count());
            }
        }
        lines.sort_unstable();
        let median = lines[lines.len() / 2];
        assert!(median <= most, "{name}: {median} lines");
    }
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

/// Replicas of a container share its settings. With a name among the settings, all of them would
/// have the same name.
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
    // Put together here, so that the test does not find this file.
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

/// The files that may declare the module of a file.
fn parents(file: &Path) -> Vec<PathBuf> {
    let folder = file.parent().unwrap();
    let mut parents = vec![folder.with_extension("rs")];
    parents.extend(["main.rs", "lib.rs"].map(|parent| folder.join(parent)));
    parents
}

/// Whether a file declares this module.
fn declares(parent: &Path, module: &str) -> bool {
    let text = fs::read_to_string(parent).unwrap_or_default();
    let mut lines = text.lines().map(str::trim);
    lines.any(|line| {
        let line = line.strip_suffix(';').unwrap_or_default();
        line.rsplit_once("mod ")
            .is_some_and(|(_, name)| name == module)
    })
}

#[test]
fn every_file_belongs_to_a_binary_or_a_library() {
    let mut orphans = Vec::new();
    for krate in crates() {
        let sources = ["src", "tests"].map(|folder| files(&krate.join(folder), &[".rs"]));
        for file in sources.concat() {
            let module = file.file_stem().unwrap().to_str().unwrap();
            let is_root = ["main", "lib"].contains(&module);
            if !is_root && !parents(&file).iter().any(|parent| declares(parent, module)) {
                orphans.push(name_of(&file));
            }
        }
    }
    assert_eq!(orphans, [""; 0], "no file declares these");
}

#[test]
fn every_test_binary_is_in_its_manifest() {
    for krate in crates() {
        let manifest = read(&krate.join("Cargo.toml"));
        for folder in folders(&krate.join("tests")) {
            let name = folder.file_name().unwrap().to_str().unwrap();
            let main = format!("path = \"tests/{name}/main.rs\"");
            assert!(
                manifest.contains(&main),
                "no test binary runs {}",
                name_of(&folder)
            );
        }
    }
}
