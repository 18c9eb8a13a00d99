//! Both services have the same files, the examples use the same names, and no domain names a
//! framework.

use std::collections::BTreeSet;

use super::tree::{assert_known, files, names, root, sources};

/// Files that every service has.
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
/// Both services.
pub(super) const SERVICES: [&str; 2] = ["inventory", "payments"];
/// The examples that are built like a service.
const EXAMPLES: [&str; 3] = ["examples/items", "examples/records", "examples/todos"];
/// Files that a service has and an example may do without: it has no store in Redis, or no consumer.
const OPTIONAL_FILES: [&str; 2] = ["keys.rs", "worker.rs"];
/// Files that only one example has, because only that example has the thing.
const EXAMPLE_FILES: [&str; 3] = [
    "examples/items/src/waiting.rs",
    "examples/todos/src/kafka.rs",
    "examples/todos/src/message.rs",
];
/// Modules that decide and do no I/O.
const PURE: [&str; 2] = ["domain", "audit"];
/// Names of frameworks, clients, clocks and files: pure code names no such thing.
const WORLD: [&str; 18] = [
    "poem",
    "poem_openapi",
    "fred",
    "reqwest",
    "hyper",
    "tokio",
    "futures_util",
    "tracing",
    "redis",
    "async",
    "await",
    "fs",
    "net",
    "env",
    "process",
    "SystemTime",
    "Instant",
    "anyhow",
];
/// Folders whose files have the same names in both services.
const SAME_FOLDERS: [&str; 2] = ["api", "store"];
/// Files that only one service has, because only that service has the thing.
const OWN_FILES: [&str; 15] = [
    "inventory/src/api/product.rs",
    "inventory/src/api/release.rs",
    "inventory/src/api/stock.rs",
    "inventory/src/api/text.rs",
    "inventory/src/store/apply.rs",
    "inventory/src/store/records.rs",
    "inventory/src/store/release.rs",
    "inventory/src/store/sweep.rs",
    "payments/src/api/order.rs",
    "payments/src/api/problems.rs",
    "payments/src/api/timeline.rs",
    "payments/src/api/timeline/body.rs",
    "payments/src/store/index.rs",
    "payments/src/store/place.rs",
    "payments/src/store/redate.rs",
];

#[test]
fn rules_know_nothing_of_the_world() {
    let mut checked = BTreeSet::new();
    for service in SERVICES.into_iter().chain(EXAMPLES) {
        for (name, code) in sources(&root().join(service)) {
            let pure = PURE
                .iter()
                .find(|pure| name == format!("{pure}.rs") || name.starts_with(&format!("{pure}/")));
            let Some(pure) = pure else { continue };
            checked.insert((service, *pure));
            for word in WORLD {
                assert!(!names(&code, word), "{service}/src/{name} names {word}");
            }
        }
    }
    assert!(checked.len() >= 6, "{checked:?}");
}

#[test]
fn folders_of_the_services_hold_the_same_names() {
    let mut found = BTreeSet::new();
    for folder in SAME_FOLDERS {
        let names = SERVICES.map(|service| {
            let folder = root().join(service).join("src").join(folder);
            let paths = files(&folder, &[".rs"]).into_iter();
            let names = paths.map(|path| path.strip_prefix(&folder).unwrap().to_path_buf());
            names.collect::<BTreeSet<_>>()
        });
        let [inventory, payments] = &names;
        for (service, own) in SERVICES.into_iter().zip([
            inventory.difference(payments),
            payments.difference(inventory),
        ]) {
            for name in own {
                found.insert(format!("{service}/src/{folder}/{}", name.display()));
            }
        }
    }
    assert_known("only one service has it", &found, &OWN_FILES);
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
fn the_examples_use_the_names_of_the_services() {
    let mut found = BTreeSet::new();
    for example in EXAMPLES {
        let src = root().join(example).join("src");
        for file in CORE_FILES {
            let has = src.join(file).is_file();
            assert!(
                has || OPTIONAL_FILES.contains(&file),
                "{example} has no {file}"
            );
        }
        for path in files(&src, &[".rs"]) {
            let name = path.strip_prefix(&src).unwrap().to_str().unwrap();
            if !name.contains('/') && !CORE_FILES.contains(&name) {
                found.insert(format!("{example}/src/{name}"));
            }
        }
    }
    assert_known("only one example has it", &found, &EXAMPLE_FILES);
}
