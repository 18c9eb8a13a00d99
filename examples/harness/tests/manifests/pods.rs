//! The pods that the objects of a manifest make.

use serde_json::Value;

use crate::objects::{items, name, of_kind, text};

/// Kinds with a template of pods.
const WORKLOADS: [&str; 3] = ["Deployment", "StatefulSet", "DaemonSet"];

/// The template of the pods of an object.
#[derive(Clone, Copy)]
pub(crate) struct Pod<'a> {
    /// The object that makes the pods.
    pub(crate) owner: &'a Value,
    /// What each pod is.
    pub(crate) spec: &'a Value,
    /// Its labels.
    pub(crate) labels: &'a Value,
}

/// All templates.
pub(crate) fn pods(objects: &[Value]) -> Vec<Pod<'_>> {
    let owners = WORKLOADS.iter().flat_map(|kind| of_kind(objects, kind));
    let pods = owners.map(|owner| {
        let template = &owner["spec"]["template"];
        Pod {
            owner,
            spec: &template["spec"],
            labels: &template["metadata"]["labels"],
        }
    });
    pods.collect()
}

impl<'a> Pod<'a> {
    /// The name of the object that makes the pods.
    pub(crate) fn name(self) -> String {
        name(self.owner)
    }

    /// All containers, with those that run before the others.
    pub(crate) fn containers(self) -> impl Iterator<Item = &'a Value> {
        let lists = ["containers", "initContainers"].map(|list| items(&self.spec[list]));
        lists.into_iter().flatten()
    }

    /// Whether a container has this port, which is a name or a number.
    pub(crate) fn has_port(self, port: &Value) -> bool {
        let mut containers = items(&self.spec["containers"]).iter();
        containers.any(|container| has_port(container, port))
    }
}

/// Whether a container has this port, which is a name or a number.
pub(crate) fn has_port(container: &Value, port: &Value) -> bool {
    let mut ports = items(&container["ports"]).iter();
    ports.any(|own| own["name"] == *port || own["containerPort"] == *port)
}

/// The variables of a container that are given as a text, by name.
pub(crate) fn variables(container: &Value) -> impl Iterator<Item = (&str, &str)> {
    let list = items(&container["env"]).iter();
    list.map(|variable| (text(&variable["name"]), text(&variable["value"])))
}

/// The words that a container starts with: the program and its arguments.
pub(crate) fn words(container: &Value) -> Vec<&str> {
    let lists = ["command", "args"].map(|list| items(&container[list]));
    lists.into_iter().flatten().map(text).collect()
}
