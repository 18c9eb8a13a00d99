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

/// The text of all scripts in a folder. A script may make a secret, which no manifest may hold.
pub(crate) fn scripts(folder: &Path) -> String {
    let files = std::fs::read_dir(folder).unwrap();
    let paths = files.map(|entry| entry.unwrap().path());
    let scripts = paths.filter(|path| path.extension().is_some_and(|ending| ending == "sh"));
    scripts
        .map(|path| std::fs::read_to_string(path).unwrap())
        .collect()
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

/// The text in a value; empty if it is none.
pub(crate) fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

/// The items of a list; empty if it is none.
pub(crate) fn items(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}

/// Whether labels have everything that a selector asks for. An empty selector would choose
/// everything, and counts as a mistake.
pub(crate) fn selects(selector: &Value, labels: &Value) -> bool {
    let wanted = selector.as_object();
    wanted.is_some_and(|wanted| {
        !wanted.is_empty() && wanted.iter().all(|(name, value)| labels[name] == *value)
    })
}
