//! Which crate may depend on which, and which layer of `shared` may name which.

use std::collections::BTreeSet;

use super::tree::{assert_known, crates, files, name_of, names, paths, read, root, sources};

/// A crate, the crates it may depend on, and those that only its tests may depend on.
struct CrateRule {
    name: &'static str,
    knows: &'static [&'static str],
    tests_know: &'static [&'static str],
}

const CRATES: [&str; 12] = [
    "shared",
    "inventory",
    "payments",
    "stack",
    "proof",
    "bench",
    "harness",
    "postgres",
    "hello",
    "items",
    "records",
    "todos",
];

/// Only tests depend on `proof` and `harness`, and nothing depends on `bench` or on an example.
const CRATE_RULES: [CrateRule; 12] = [
    CrateRule {
        name: "shared",
        knows: &[],
        tests_know: &["stack", "proof"],
    },
    CrateRule {
        name: "inventory",
        knows: &["shared"],
        tests_know: &["stack", "proof"],
    },
    CrateRule {
        name: "payments",
        knows: &["shared"],
        tests_know: &["stack", "proof"],
    },
    CrateRule {
        name: "stack",
        knows: &["shared"],
        tests_know: &[],
    },
    CrateRule {
        name: "proof",
        knows: &["shared", "stack"],
        tests_know: &[],
    },
    CrateRule {
        name: "bench",
        knows: &["shared", "stack"],
        tests_know: &[],
    },
    CrateRule {
        name: "harness",
        knows: &["stack"],
        tests_know: &[],
    },
    CrateRule {
        name: "postgres",
        knows: &["shared"],
        tests_know: &["harness", "stack", "proof"],
    },
    CrateRule {
        name: "hello",
        knows: &["shared"],
        tests_know: &["harness", "stack", "proof"],
    },
    CrateRule {
        name: "items",
        knows: &["shared"],
        tests_know: &["harness", "stack", "proof"],
    },
    CrateRule {
        name: "records",
        knows: &["shared", "postgres"],
        tests_know: &["harness", "stack", "proof"],
    },
    CrateRule {
        name: "todos",
        knows: &["shared", "postgres"],
        tests_know: &["harness", "stack", "proof"],
    },
];

/// The layers of `shared`, and the layers that each may name.
const LAYERS: [(&str, &[&str]); 8] = [
    ("base", &[]),
    ("contract", &["base"]),
    ("redis", &["base", "contract"]),
    ("store", &["base", "contract", "redis"]),
    ("stream", &["base", "contract", "redis", "store"]),
    ("live", &["base", "contract", "redis", "store"]),
    (
        "http",
        &["base", "contract", "redis", "store", "stream", "live"],
    ),
    (
        "service",
        &[
            "base", "contract", "redis", "store", "stream", "live", "http",
        ],
    ),
];

/// Layers of `shared` that `stack` may name. It starts the system, and needs no more of `shared`.
const STACK_KNOWS: [&str; 2] = ["contract", "redis"];

/// Files of `stack` that name another layer today.
const STACK_EXCEPTIONS: [&str; 4] = [
    "foreground/output.rs names shared::base",
    "note.rs names shared::service",
    "verbs/demo/api.rs names shared::http",
    "verbs/order.rs names shared::base",
];

/// The module that a source file belongs to: its first folder, or its own name.
pub(super) fn module(name: &str) -> &str {
    let first = name.split('/').next().unwrap();
    first.strip_suffix(".rs").unwrap_or(first)
}

/// The entries of a section of a manifest.
fn listed(manifest: &str, section: &str) -> BTreeSet<String> {
    let Some((_, part)) = manifest.split_once(&format!("\n[{section}]\n")) else {
        return BTreeSet::new();
    };
    let lines = part.lines().take_while(|line| !line.starts_with('['));
    let names = lines.filter_map(|line| line.split(['.', ' ', '=']).next());
    let names = names.filter(|name| !name.is_empty() && !name.starts_with('#'));
    names.map(str::to_owned).collect()
}

/// The crates of the workspace among the dependencies of a manifest.
fn own(manifest: &str, section: &str) -> BTreeSet<String> {
    let mut names = listed(manifest, section);
    names.retain(|name| CRATES.contains(&&**name));
    names
}

#[test]
fn a_crate_depends_on_those_below_it() {
    for path in crates() {
        let name = path.file_name().unwrap().to_str().unwrap();
        let rule = CRATE_RULES.iter().find(|rule| rule.name == name);
        let rule = rule.unwrap_or_else(|| panic!("{name}: no rule"));
        let manifest = read(&path.join("Cargo.toml"));
        for found in own(&manifest, "dependencies") {
            assert!(rule.knows.contains(&&*found), "{name} depends on {found}");
        }
        for found in own(&manifest, "dev-dependencies") {
            let may = [rule.knows, rule.tests_know].concat();
            assert!(may.contains(&&*found), "tests of {name} depend on {found}");
        }
    }
}

#[test]
fn every_dependency_is_used() {
    for path in crates() {
        let manifest = read(&path.join("Cargo.toml"));
        let code = |folders: &[&str]| {
            let files = folders
                .iter()
                .map(|folder| files(&path.join(folder), &[".rs"]));
            files.flatten().map(|file| read(&file)).collect::<String>()
        };
        for (section, folders) in [
            ("dependencies", &["src"][..]),
            ("dev-dependencies", &["src", "tests", "examples"]),
        ] {
            let code = code(folders);
            for name in listed(&manifest, section) {
                let used = names(&code, &name.replace('-', "_"));
                assert!(used, "{} never uses {name}", name_of(&path));
            }
        }
    }
}

#[test]
fn a_layer_of_shared_knows_the_layers_before_it() {
    let mut found = BTreeSet::new();
    for (name, code) in sources(&root().join("shared")) {
        let own = module(&name);
        if own == "lib" {
            continue;
        }
        if code.contains("include_str!(\"..") {
            found.insert(format!(
                "shared/src/{name} includes a file of another folder"
            ));
        }
        let (_, may) = LAYERS.iter().find(|(layer, _)| *layer == own).unwrap();
        for path in paths(&code, &["crate"]) {
            if path.first != own && !may.contains(&path.first) {
                found.insert(format!("shared/src/{name} names {}", path.first));
            }
        }
    }
    assert_known("a layer knows a layer above it", &found, &[]);
}

#[test]
fn stack_knows_the_contract_and_the_client() {
    let mut found = BTreeSet::new();
    for (name, code) in sources(&root().join("stack")) {
        for path in paths(&code, &["shared"]) {
            if !STACK_KNOWS.contains(&path.first) {
                found.insert(format!("{name} names shared::{}", path.first));
            }
        }
    }
    assert_known("stack knows plumbing", &found, &STACK_EXCEPTIONS);
}
