//! No circle of modules, so that each crate can be read from the bottom up.

use std::collections::{BTreeMap, BTreeSet};

use super::tree::{assert_known, crates, paths, sources};

/// A module, and the modules that it names.
type Graph = BTreeMap<String, BTreeSet<String>>;

/// Circles of today.
const KNOWN: [&str; 0] = [];

/// How many parts of a path name a module: in `shared` the layer and the module in it.
fn depth(krate: &str) -> usize {
    if krate == "shared" { 2 } else { 1 }
}

/// The module of a source file: `redis/reply/text.rs` belongs to `redis::reply` at a depth of two.
fn module(name: &str, depth: usize) -> String {
    let parts = name.strip_suffix(".rs").unwrap().split('/').take(depth);
    parts.collect::<Vec<_>>().join("::")
}

/// The names that parents export by `pub use`, each with the module that defines it.
struct Reexports(BTreeMap<(String, String), String>);

impl Reexports {
    /// Reads all `pub use` of a crate in files that are parents.
    fn of(sources: &[(String, String)], modules: &BTreeSet<String>) -> Self {
        let mut found = BTreeMap::new();
        for (name, code) in sources {
            let parent = module(name, 1);
            for statement in uses(code, true) {
                for path in paths(&statement, &["crate"]) {
                    let target = format!("{}::{}", path.first, path.second.first().unwrap_or(&""));
                    if modules.contains(&target) {
                        for word in exported(&statement) {
                            found.insert((parent.clone(), word), target.clone());
                        }
                    }
                }
            }
        }
        Self(found)
    }

    /// The module that `first::second` stands in.
    fn resolve(&self, first: &str, second: &str, modules: &BTreeSet<String>) -> String {
        let child = format!("{first}::{second}");
        if modules.contains(&child) {
            return child;
        }
        let exported = self.0.get(&(first.to_owned(), second.to_owned()));
        exported.cloned().unwrap_or_else(|| first.to_owned())
    }
}

/// The statements `pub use` of a file, or all its other code.
fn uses(code: &str, exported: bool) -> Vec<String> {
    let mut statements = Vec::new();
    for part in code.split_inclusive(';') {
        let start = part.trim_start();
        if (start.starts_with("pub use ") || start.starts_with("pub(crate) use ")) == exported {
            statements.push(part.to_owned());
        }
    }
    statements
}

/// The names that a `pub use` gives.
fn exported(statement: &str) -> Vec<String> {
    let (_, last) = statement.rsplit_once("::").unwrap_or_default();
    super::tree::words(last).map(str::to_owned).collect()
}

/// Which module of a crate names which.
fn graph(sources: &[(String, String)], depth: usize) -> Graph {
    let modules: BTreeSet<String> = sources
        .iter()
        .map(|(name, _)| module(name, depth))
        .collect();
    let reexports = Reexports::of(sources, &modules);
    let mut graph = Graph::new();
    for (name, code) in sources {
        let own = module(name, depth);
        let named = graph.entry(own.clone()).or_default();
        for path in uses(code, false)
            .iter()
            .flat_map(|part| paths(part, &["crate"]))
        {
            let seconds = if path.second.is_empty() {
                vec![""]
            } else {
                path.second
            };
            for second in seconds {
                let target = match depth {
                    1 => path.first.to_owned(),
                    _ => reexports.resolve(path.first, second, &modules),
                };
                if target != own && modules.contains(&target) {
                    named.insert(target);
                }
            }
        }
    }
    graph
}

/// All modules that are reached from `start`.
fn reached(graph: &Graph, start: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![start.to_owned()];
    while let Some(module) = open.pop() {
        for next in graph.get(&module).into_iter().flatten() {
            if reached.insert(next.clone()) {
                open.push(next.clone());
            }
        }
    }
    reached
}

/// The circles of a graph: modules that all reach each other.
fn circles(graph: &Graph) -> BTreeSet<String> {
    let reach: BTreeMap<&String, BTreeSet<String>> = graph
        .keys()
        .map(|module| (module, reached(graph, module)))
        .collect();
    let on_circle = |module: &String| reach[module].contains(module);
    let circle_of = |module: &String| {
        let members = reach[module].iter();
        let members = members.filter(|other| reach[*other].contains(module));
        members.cloned().collect::<Vec<_>>().join(" ")
    };
    let members = graph.keys().filter(|module| on_circle(module));
    members.map(circle_of).collect()
}

#[test]
fn no_modules_stand_in_a_circle() {
    let mut found = BTreeSet::new();
    for krate in crates() {
        let name = krate.file_name().unwrap().to_str().unwrap();
        let graph = graph(&sources(&krate), depth(name));
        found.extend(
            circles(&graph)
                .iter()
                .map(|circle| format!("{name}: {circle}")),
        );
    }
    assert_known("modules that know each other", &found, &KNOWN);
}

#[test]
fn a_circle_is_found_through_a_name_that_a_parent_exports() {
    let sources = [
        ("live.rs", "pub use crate::live::tail::Tail;"),
        (
            "live/tail.rs",
            "use crate::live::watches::Watch;\npub struct Tail;",
        ),
        ("live/watches.rs", "use crate::live::{\n    Tail,\n};"),
        ("base.rs", "pub mod health;"),
        ("base/health.rs", "use crate::base::health::verbose::Words;"),
        ("base/health/verbose.rs", "use crate::base::health::Check;"),
    ]
    .map(|(name, code)| (name.to_owned(), code.to_owned()));
    let found = circles(&graph(&sources, depth("shared")));
    assert_eq!(
        found,
        BTreeSet::from(["live::tail live::watches".to_owned()])
    );
}
