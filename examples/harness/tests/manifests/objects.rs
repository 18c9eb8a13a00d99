//! The objects of a manifest.

use std::path::Path;
use std::process::Command;

use serde_json::Value;
use stack::subprocess;

use crate::schema::{LIMIT, installed};

/// Reads YAML documents from a file, and writes them as one list in JSON.
const TO_JSON: &str = "import json, sys, yaml\n\
    with open(sys.argv[1]) as text: json.dump(list(yaml.safe_load_all(text)), sys.stdout)";

/// The objects in a text of several YAML documents. The YAML of `kubernetes-validate` reads them.
pub(crate) fn parse(text: &str) -> Vec<Value> {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), text).unwrap();
    let mut command = Command::new(installed("python"));
    command.args(["-c", TO_JSON]).arg(file.path());
    let output = subprocess::run(&mut command, LIMIT).unwrap();
    assert!(output.status.success(), "{}", output.stderr);
    serde_json::from_str(&output.stdout).unwrap()
}

/// The text of all scripts below a folder. A script may make a secret, which no manifest may hold.
pub(crate) fn scripts(folder: &Path) -> String {
    let mut text = String::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            text += &scripts(&path);
        } else if path.extension().is_some_and(|ending| ending == "sh") {
            text += &std::fs::read_to_string(&path).unwrap();
        }
    }
    text
}

/// The objects of one kind.
pub(crate) fn of_kind<'a>(
    objects: &'a [Value],
    kind: &'a str,
) -> impl Iterator<Item = &'a Value> + Clone {
    objects.iter().filter(move |object| object["kind"] == kind)
}

/// The kind and the name of an object, for people.
pub(crate) fn name(object: &Value) -> String {
    format!(
        "{} {}",
        text(&object["kind"]),
        text(&object["metadata"]["name"])
    )
}

/// The text in a value; empty if it is another value.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The items of a list; empty if it is another value.
pub(crate) fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Whether labels have everything that a map asks for. An empty map would choose everything, and
/// counts as a mistake.
pub(crate) fn selects(wanted: &Value, labels: &Value) -> bool {
    let wanted = wanted.as_object();
    wanted.is_some_and(|wanted| {
        !wanted.is_empty() && wanted.iter().all(|(name, value)| labels[name] == *value)
    })
}

/// The same for a selector with `matchLabels`, with `matchExpressions` of the operator `In`, or with
/// both.
pub(crate) fn fits(selector: &Value, labels: &Value) -> bool {
    let expressions = items(&selector["matchExpressions"]);
    let all_in = expressions.iter().all(|expression| {
        let label = &labels[text(&expression["key"])];
        expression["operator"] == "In" && items(&expression["values"]).contains(label)
    });
    let map = &selector["matchLabels"];
    let has_map = !map.is_null();
    (has_map || !expressions.is_empty()) && all_in && (!has_map || selects(map, labels))
}
