//! The bench itself, with a few hundred orders: every measurement runs and says something that can
//! be true. How fast anything is, is not tested here.

#![expect(
    clippy::unwrap_used,
    reason = "a helper of a test fails the test, like the test itself"
)]

use std::collections::BTreeMap;
use std::fs;
use std::process::Command;

use serde_json::Value;

const ORDERS: &str = "200";
const PILE: &str = "300";

/// The figures of a run, by name.
fn measure(flags: &[&str]) -> (BTreeMap<String, Value>, String) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("figures.json");
    let output = Command::new(env!("CARGO_BIN_EXE_bench"))
        .args([
            "--seconds",
            "0.1",
            "--rate",
            "200",
            "--orders",
            ORDERS,
            "--piles",
            PILE,
        ])
        .args(flags)
        .arg("--json")
        .arg(&file)
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{errors}");
    let document: Value = serde_json::from_str(&fs::read_to_string(file).unwrap()).unwrap();
    let figures = document["figures"].as_array().unwrap().iter();
    let by_name = figures
        .map(|it| (it["name"].as_str().unwrap().to_owned(), it.clone()))
        .collect();
    (by_name, String::from_utf8(output.stdout).unwrap())
}

fn median(figures: &BTreeMap<String, Value>, name: &str) -> f64 {
    figures.get(name).unwrap_or_else(|| panic!("no {name}"))["median"]
        .as_f64()
        .unwrap()
}

/// The ratios to the limits, by the kind of limit.
fn ratio(figures: &BTreeMap<String, Value>, name: &str, bare: &str) -> f64 {
    let limits = figures[name]["limits"].as_array().unwrap();
    let limit = limits.iter().find(|limit| limit["bare"] == bare).unwrap();
    limit["ratio"].as_f64().unwrap()
}

#[test]
fn every_measurement_runs_and_its_figures_can_be_true() {
    let (figures, table) = measure(&[]);
    for kind in ["get_product", "get_order", "post"] {
        for width in ["c1", "c16", "c64", "open"] {
            let name = format!("{kind}.{width}");
            let (p50, p99) = (
                median(&figures, &format!("{name}.p50")),
                format!("{name}.p99"),
            );
            assert!(p50 > 0.0 && p50 <= median(&figures, &p99), "{name}");
            assert!(
                ratio(&figures, &format!("{name}.rate"), "http") > 0.0,
                "{name}"
            );
        }
    }
    for name in [
        "e2e.rate",
        "e2e_always.rate",
        "accept.c64.rate",
        "drain.300.rate",
        "event.p50",
    ] {
        assert!(ratio(&figures, name, "redis") > 0.0, "{name}");
    }
    let calls = median(&figures, "e2e.calls");
    assert!(
        calls > 0.0 && calls < median(&figures, "e2e.commands"),
        "{calls} calls for an order"
    );
    assert!(median(&figures, "e2e.memory.payments") > 100.0);
    assert!(median(&figures, "uncached.c64.rate") > 0.0);
    assert!(median(&figures, "idle.rss") > 1.0);
    let (table, legend) = table.split_once("\n\n").unwrap();
    assert_eq!(table.lines().count(), figures.len() + 1);
    assert!(
        legend.starts_with("Each line: ") && legend.contains("\nVerdict: "),
        "{legend}"
    );
    assert!(table.contains("of bare Redis") && table.contains("of bare HTTP"));
}

#[test]
fn systems_of_other_shapes_are_measured_beside_one_of_each() {
    let (figures, table) = measure(&["--quick", "--only", "scale"]);
    for shape in ["one", "partitions16", "cluster16", "replica_acks1"] {
        let name = format!("scale.{shape}");
        let (paid, taken) = (format!("{name}.paid.p50"), format!("{name}.taken.p50"));
        assert!(
            median(&figures, &paid) <= median(&figures, &taken),
            "{name}"
        );
        for store in ["inventory", "payments"] {
            assert!(
                median(&figures, &format!("{name}.cpu.{store}-redis")) > 0.0,
                "{name}"
            );
            assert!(
                median(&figures, &format!("{name}.file.{store}-redis")) > 0.0,
                "{name}"
            );
        }
        if shape != "one" {
            assert!(
                ratio(&figures, &format!("{name}.rate"), "one") > 0.0,
                "{name}"
            );
        }
    }
    assert!(median(&figures, "scale.cluster16.cpu.payments-redis.primary-2") > 0.0);
    assert!(figures.contains_key("scale.cluster16.cpu.inventory-redis.replica-5"));
    assert!(table.contains("of one of each"));
}

#[test]
fn only_what_is_asked_for_is_measured_and_as_often() {
    let (figures, _) = measure(&["--only", "footprint", "--rounds", "2", "--fsync", "always"]);
    assert!(
        figures.keys().all(|name| name.starts_with("idle.")),
        "{figures:?}"
    );
    assert_eq!(figures["idle.rss"]["all"].as_array().unwrap().len(), 2);
}
