//! Which module of a service may name which.

use std::collections::BTreeSet;

use super::arrows::module;
use super::services::SERVICES;
use super::tree::{assert_known, paths, root, sources};

/// A module of a service: which modules of the service it may name, and which layers of `shared`.
struct ModuleRule {
    name: &'static str,
    knows: &'static [&'static str],
    layers: &'static [&'static str],
}

/// Every layer of `shared`.
const ALL: &[&str] = &[
    "base", "contract", "redis", "store", "stream", "live", "http", "service",
];
/// The layers below `service`. Only `app`, `main` and a verb name `service`.
const BELOW_SERVICE: &[&str] = &[
    "base", "contract", "redis", "store", "stream", "live", "http",
];
/// The layers below `http`.
const BELOW_HTTP: &[&str] = &["base", "contract", "redis", "store", "stream", "live"];

/// `main -> app -> {api, worker, reconcile, pages} -> {store, inventory_client, finality, stock_acks}
/// -> domain -> shared::contract`.
const MODULE_RULES: [ModuleRule; 14] = [
    ModuleRule {
        name: "api",
        knows: &[
            "store",
            "inventory_client",
            "finality",
            "stock_acks",
            "audit",
            "domain",
        ],
        layers: BELOW_SERVICE,
    },
    ModuleRule {
        name: "pages",
        knows: &["store", "inventory_client", "finality", "domain"],
        layers: BELOW_SERVICE,
    },
    ModuleRule {
        name: "worker",
        knows: &["store", "domain"],
        layers: BELOW_HTTP,
    },
    ModuleRule {
        name: "reconcile",
        knows: &["store", "inventory_client", "audit", "domain"],
        layers: ALL,
    },
    ModuleRule {
        name: "finality",
        knows: &["stock_acks", "store", "inventory_client", "domain"],
        layers: BELOW_SERVICE,
    },
    ModuleRule {
        name: "stock_acks",
        knows: &["domain"],
        layers: BELOW_HTTP,
    },
    ModuleRule {
        name: "inventory_client",
        knows: &["domain"],
        layers: &["base", "contract", "http"],
    },
    ModuleRule {
        name: "store",
        knows: &["keys", "domain"],
        layers: BELOW_HTTP,
    },
    ModuleRule {
        name: "config",
        knows: &["domain"],
        layers: &["base", "contract", "redis", "http", "service"],
    },
    ModuleRule {
        name: "keys",
        knows: &["domain"],
        layers: &["contract", "store", "live"],
    },
    ModuleRule {
        name: "audit",
        knows: &["domain"],
        layers: &["contract"],
    },
    ModuleRule {
        name: "domain",
        knows: &[],
        layers: &["contract"],
    },
    ModuleRule {
        name: "lib",
        knows: &[],
        layers: &[],
    },
    ModuleRule {
        name: "app",
        knows: &[
            "api",
            "pages",
            "worker",
            "reconcile",
            "config",
            "store",
            "inventory_client",
            "finality",
            "stock_acks",
            "domain",
        ],
        layers: ALL,
    },
];

/// Names beyond these rules today.
const SERVICE_EXCEPTIONS: [&str; 0] = [];

#[test]
fn a_module_of_a_service_knows_those_below_it() {
    let mut found = BTreeSet::new();
    for service in SERVICES {
        for (name, code) in sources(&root().join(service)) {
            let own = module(&name);
            if own == "main" {
                continue;
            }
            let rule = MODULE_RULES.iter().find(|rule| rule.name == own);
            let Some(rule) = rule else {
                found.insert(format!("{service}: {own} has no rule"));
                continue;
            };
            for path in paths(&code, &["crate", "shared"]) {
                let may = if path.krate == "shared" {
                    rule.layers.contains(&path.first)
                } else {
                    path.first == own || rule.knows.contains(&path.first)
                };
                if !may {
                    let named = format!("{}::{}", path.krate, path.first);
                    found.insert(format!("{service}/src/{name} names {named}"));
                }
            }
        }
    }
    assert_known("a module knows one above it", &found, &SERVICE_EXCEPTIONS);
}
