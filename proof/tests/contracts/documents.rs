//! The OpenAPI and AsyncAPI documents.

use std::process::Command;

use serde_json::{Map, Value};
use stack::binaries;

use crate::tree::assert_current;

pub(crate) const SERVICES: [&str; 2] = ["inventory", "payments"];

/// What a service prints when it is asked for a document.
pub(crate) fn printed(service: &str, verb: &str) -> String {
    let binaries = binaries::shared().unwrap();
    let program = if service == "inventory" {
        binaries.inventory
    } else {
        binaries.payments
    };
    let output = Command::new(program)
        .arg(verb)
        .env_clear()
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}

/// Each operation of a document, with its name in messages.
fn operations(document: &Value) -> impl Iterator<Item = (String, &Map<String, Value>)> {
    members(&document["paths"]).flat_map(|(path, operations)| {
        members(operations).map(move |(method, operation)| {
            (format!("{method} {path}"), operation.as_object().unwrap())
        })
    })
}

/// Bodies and named schemas in this part of a document that have no example.
fn without_example(place: &str, part: &Value, missing: &mut Vec<String>) {
    for (name, member) in members(part) {
        let place = format!("{place}/{name}");
        if name == "content" || place == "/components/schemas" {
            let silent = members(member).filter(|(_, body)| body.get("example").is_none());
            missing.extend(silent.map(|(body, _)| format!("{place}/{body}: no example")));
        }
        without_example(&place, member, missing);
    }
}

fn without_words(document: &Value) -> Vec<String> {
    let mut missing = Vec::new();
    let mut need = |there: bool, what: String| {
        if !there {
            missing.push(what);
        }
    };
    let says = |value: Option<&Value>| value.is_some_and(|text| text.as_str() != Some(""));
    for (name, operation) in operations(document) {
        for part in ["operationId", "summary", "tags"] {
            need(says(operation.get(part)), format!("{name}: no {part}"));
        }
        for parameter in operation
            .get("parameters")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            let called = format!("{name}: parameter {}", parameter["name"]);
            need(
                says(parameter.get("description")),
                format!("{called}: no description"),
            );
            let example =
                parameter["required"] == false || says(parameter["schema"].get("example"));
            need(example, format!("{called}: no example"));
        }
        for (status, answer) in members(&operation["responses"]) {
            need(
                says(answer.get("description")),
                format!("{name}: {status}: no description"),
            );
            for (header, about) in members(&answer["headers"]) {
                let called = format!("{name}: {status}: header {header}");
                need(
                    says(about.get("description")),
                    format!("{called}: no description"),
                );
            }
        }
    }
    for (name, schema) in members(&document["components"]["schemas"]) {
        need(
            says(schema.get("description")),
            format!("schema {name}: no description"),
        );
    }
    missing
}

#[test]
fn the_documents_in_the_tree_are_what_the_programs_say() {
    for service in SERVICES {
        assert_current(
            &format!("contracts/openapi/{service}.json"),
            &printed(service, "openapi"),
        );
        assert_current(
            &format!("contracts/asyncapi/{service}.yaml"),
            &printed(service, "asyncapi"),
        );
    }
}

#[test]
fn every_operation_parameter_and_body_explains_itself() {
    for service in SERVICES {
        let document: Value = serde_json::from_str(&printed(service, "openapi")).unwrap();
        assert!(operations(&document).count() >= 4, "{service}");
        let mut missing = without_words(&document);
        without_example("", &document, &mut missing);
        assert!(missing.is_empty(), "{service}: {missing:#?}");
    }
}
