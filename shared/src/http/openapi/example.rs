//! Completes and corrects the OpenAPI document that the framework writes.
//!
//! - Each body gets an example, made from the examples of its parts.
//! - Request bodies are closed: they have only the members that their schema names.
//! - The names of headers are spelled as people write them.

use serde_json::{Map, Value, json};

/// The document with an example for every named schema and every body, and with closed request
/// bodies, because [`crate::http::json`] refuses unknown members.
///
/// Objects have examples of their own. The example of an enumeration is its first word, and that of
/// a list has one item.
pub(super) fn complete(spec: &str) -> String {
    let mut document: Value = serde_json::from_str(spec).unwrap_or_default();
    if let Some(schemas) = document["components"]["schemas"].as_object_mut() {
        for schema in schemas.values_mut().filter_map(Value::as_object_mut) {
            let word = schema.get("enum").and_then(|words| words.get(0)).cloned();
            if let Some(word) = word {
                schema.entry("example").or_insert(word);
            }
        }
    }
    let mut schemas = document["components"]["schemas"].take();
    add_to_bodies(&mut document["paths"], &schemas);
    for schema in request_schemas(&document["paths"]) {
        schemas[schema]["additionalProperties"] = json!(false);
    }
    document["components"]["schemas"] = schemas;
    format!("{document:#}\n")
}

/// Walks down to every `content`, whose members are bodies by media type, and to every `headers`.
fn add_to_bodies(place: &mut Value, schemas: &Value) {
    let Some(members) = place.as_object_mut() else {
        return;
    };
    for (name, member) in members {
        match member.as_object_mut() {
            Some(bodies) if name == "content" => {
                let bodies = bodies.values_mut().filter_map(Value::as_object_mut);
                bodies.for_each(|body| add(body, schemas));
            }
            Some(headers) if name == "headers" => {
                let named = std::mem::take(headers).into_iter();
                headers.extend(named.map(|(name, header)| (spelled(&name), header)));
            }
            _ => add_to_bodies(member, schemas),
        }
    }
}

/// The name of a header as people write it. The framework writes it in capitals.
fn spelled(name: &str) -> String {
    if name == "ETAG" {
        return "ETag".to_owned();
    }
    let word = |word: &str| match word.split_at_checked(1) {
        Some((first, rest)) => format!("{first}{}", rest.to_lowercase()),
        None => String::new(),
    };
    name.split('-').map(word).collect::<Vec<_>>().join("-")
}

/// The names of the schemas that request bodies have.
fn request_schemas(paths: &Value) -> Vec<&str> {
    members(paths)
        .flat_map(members)
        .flat_map(|operation| members(&operation["requestBody"]["content"]))
        .filter_map(|body| body["schema"]["$ref"].as_str()?.rsplit('/').next())
        .collect()
}

fn members(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_object().into_iter().flat_map(Map::values)
}

fn add(body: &mut Map<String, Value>, schemas: &Value) {
    let example = body.get("schema").and_then(|schema| of(schema, schemas));
    if let Some(example) = example {
        body.entry("example").or_insert(example);
    }
}

/// The example of a schema, of the schema it refers to, or of the items of a list.
fn of(schema: &Value, schemas: &Value) -> Option<Value> {
    if let Some(reference) = schema["$ref"].as_str() {
        return of(&schemas[reference.rsplit('/').next()?], schemas);
    }
    match schema.get("example") {
        Some(example) => Some(example.clone()),
        None => Some(json!([of(schema.get("items")?, schemas)?])),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_are_spelled_as_people_write_them() {
        for (name, expected) in [
            ("ETAG", "ETag"),
            ("LOCATION", "Location"),
            ("IDEMPOTENT-REPLAYED", "Idempotent-Replayed"),
        ] {
            assert_eq!(spelled(name), expected);
        }
    }

    #[test]
    fn bodies_show_the_examples_of_what_they_are_made_of() {
        let content = |schema: Value| json!({"content": {"application/json": {"schema": schema}}});
        let reference = json!({"$ref": "#/components/schemas/Tea"});
        let spec = json!({
            "paths": {"/tea": {"get": {"responses": {
                "200": content(json!({"type": "array", "items": reference})),
                "201": content(reference),
                "400": content(json!({"type": "string"})),
            }}}},
            "components": {"schemas": {"Tea": {"enum": ["green", "black"]}}},
        });
        let document: Value = serde_json::from_str(&complete(&spec.to_string())).unwrap();
        let responses = &document["paths"]["/tea"]["get"]["responses"];
        let example =
            |status: &str| responses[status]["content"]["application/json"]["example"].clone();
        assert_eq!(example("200"), json!(["green"]));
        assert_eq!(example("201"), json!("green"));
        assert_eq!(example("400"), Value::Null);
    }
}
