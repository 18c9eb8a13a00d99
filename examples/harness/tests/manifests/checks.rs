//! What the schema cannot know: whether the objects fit each other and the programs.

use serde_json::Value;

use crate::objects::{fits, items, name, of_kind, selects, text};
use crate::pods::{Pod, has_port, pods};
use crate::programs::Programs;
use settings::settings;

mod settings;

/// The beginning of the name of an image that writes its configuration into itself at each start.
const WRITING_IMAGE: &str = "apache/kafka:";
/// Probes that every container needs. It may have a `startupProbe` as well.
const PROBES: [&str; 2] = ["livenessProbe", "readinessProbe"];

/// A list of mistakes, in sentences.
pub(crate) type Problems = Vec<String>;

/// All mistakes. `scripts` are the scripts beside the manifests.
pub(crate) fn all(objects: &[Value], scripts: &str, programs: &Programs) -> Problems {
    let mut problems = [selectors(objects), ports(objects), claims(objects)].concat();
    for pod in pods(objects) {
        let found = [
            rights(pod),
            resources(pod),
            references(pod, objects, scripts),
        ]
        .concat();
        let found = found
            .into_iter()
            .chain(probes(pod))
            .chain(settings(pod, programs));
        problems.extend(found.map(|problem| format!("{}: {problem}", pod.name())));
    }
    problems
}

/// Each selector finds pods.
fn selectors(objects: &[Value]) -> Problems {
    let mut problems = Vec::new();
    let pods = pods(objects);
    for pod in &pods {
        if !fits(&pod.owner["spec"]["selector"], pod.labels) {
            problems.push(format!("{} does not select its own pods", pod.name()));
        }
    }
    for service in of_kind(objects, "Service") {
        let selector = &service["spec"]["selector"];
        if !pods.iter().any(|pod| selects(selector, pod.labels)) {
            problems.push(format!("{} selects no pod", name(service)));
        }
    }
    for policy in of_kind(objects, "NetworkPolicy") {
        let sources = items(&policy["spec"]["ingress"]).iter();
        let sources = sources.flat_map(|rule| items(&rule["from"]));
        let sources = sources.map(|source| &source["podSelector"]);
        for selector in sources.chain([&policy["spec"]["podSelector"]]) {
            if !pods.iter().any(|pod| fits(selector, pod.labels)) {
                problems.push(format!("{} selects no pod", name(policy)));
            }
        }
    }
    problems
}

/// Each port of a service leads to a port of all its pods, and each port of a network policy to one
/// of some pod.
fn ports(objects: &[Value]) -> Problems {
    let mut problems = Vec::new();
    let pods = pods(objects);
    for service in of_kind(objects, "Service") {
        let selector = &service["spec"]["selector"];
        for pod in pods.iter().filter(|pod| selects(selector, pod.labels)) {
            for port in items(&service["spec"]["ports"]) {
                let port = port.get("targetPort").unwrap_or(&port["port"]);
                if !pod.has_port(port) {
                    let (pod, service) = (pod.name(), name(service));
                    problems.push(format!("{pod} has no port {port} for {service}"));
                }
            }
        }
    }
    for policy in of_kind(objects, "NetworkPolicy") {
        let selector = &policy["spec"]["podSelector"];
        let chosen = pods.iter().filter(|pod| fits(selector, pod.labels));
        let chosen: Vec<_> = chosen.collect();
        let rules = items(&policy["spec"]["ingress"]).iter();
        for port in rules.flat_map(|rule| items(&rule["ports"])) {
            let port = &port["port"];
            if !chosen.iter().any(|pod| pod.has_port(port)) {
                problems.push(format!("no pod has the port {port} of {}", name(policy)));
            }
        }
    }
    problems
}

/// Each volume of the manifests has the one claim that takes it, and each claim has a pod.
fn claims(objects: &[Value]) -> Problems {
    let mut problems = Vec::new();
    for volume in of_kind(objects, "PersistentVolume") {
        let takes = |claim: &&Value| claim["spec"]["volumeName"] == volume["metadata"]["name"];
        let claims: Vec<&Value> = of_kind(objects, "PersistentVolumeClaim")
            .filter(takes)
            .collect();
        let [claim] = claims[..] else {
            problems.push(format!(
                "{} is taken by {} claims",
                name(volume),
                claims.len()
            ));
            continue;
        };
        let (has, wants) = (&volume["spec"], &claim["spec"]);
        let modes = items(&has["accessModes"]);
        if !items(&wants["accessModes"])
            .iter()
            .all(|mode| modes.contains(mode))
        {
            problems.push(format!("{} wants another access mode", name(claim)));
        }
        if has["storageClassName"] != wants["storageClassName"] {
            problems.push(format!("{} wants another storage class", name(claim)));
        }
        let [room, wanted] = [&has["capacity"], &wants["resources"]["requests"]]
            .map(|sizes| bytes(text(&sizes["storage"])));
        if room.is_none() || wanted > room {
            problems.push(format!("{} wants more than its volume has", name(claim)));
        }
    }
    for claim in of_kind(objects, "PersistentVolumeClaim") {
        let is_used = pods(objects).iter().any(|pod| {
            let mut volumes = items(&pod.spec["volumes"]).iter();
            volumes.any(|volume| {
                volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
            })
        });
        if !is_used {
            problems.push(format!("no pod uses {}", name(claim)));
        }
    }
    problems
}

/// No process runs as root or can become root.
fn rights(pod: Pod<'_>) -> Problems {
    let mut problems = Vec::new();
    for container in pod.containers() {
        let own = &container["securityContext"];
        let setting = |name: &str| own.get(name).unwrap_or(&pod.spec["securityContext"][name]);
        let fit = [
            (*setting("runAsNonRoot") == true, "may run as root"),
            (
                setting("runAsUser").as_u64().is_some_and(|id| id > 0),
                "has no user",
            ),
            (
                own["allowPrivilegeEscalation"] == false,
                "may get more rights",
            ),
            (
                own["capabilities"]["drop"][0] == "ALL",
                "keeps capabilities",
            ),
            (
                own["readOnlyRootFilesystem"] == true
                    || text(&container["image"]).starts_with(WRITING_IMAGE),
                "may write into its image",
            ),
        ];
        let wrong = fit.iter().filter(|(is_fit, _)| !is_fit);
        problems.extend(wrong.map(|(_, what)| format!("{} {what}", text(&container["name"]))));
    }
    problems
}

/// Each container says what it needs, and has a limit of memory.
fn resources(pod: Pod<'_>) -> Problems {
    let mut problems = Vec::new();
    for container in pod.containers() {
        let resources = &container["resources"];
        for (kind, what) in [
            ("requests", "cpu"),
            ("requests", "memory"),
            ("limits", "memory"),
        ] {
            if resources[kind][what].is_null() {
                let name = text(&container["name"]);
                problems.push(format!("{name} has no {kind} of {what}"));
            }
        }
    }
    problems
}

/// Each secret, configuration, claim and volume that a pod names is there.
fn references(pod: Pod<'_>, objects: &[Value], scripts: &str) -> Problems {
    let mut named = Vec::new();
    for volume in items(&pod.spec["volumes"]) {
        named.push(("Secret", &volume["secret"]["secretName"]));
        named.push(("ConfigMap", &volume["configMap"]["name"]));
        let claim = &volume["persistentVolumeClaim"]["claimName"];
        named.push(("PersistentVolumeClaim", claim));
    }
    for variable in pod
        .containers()
        .flat_map(|container| items(&container["env"]))
    {
        let source = &variable["valueFrom"];
        named.push(("Secret", &source["secretKeyRef"]["name"]));
        named.push(("ConfigMap", &source["configMapKeyRef"]["name"]));
    }
    let exists = |kind: &str, wanted: &str| {
        let is_made = kind == "Secret" && scripts.contains(wanted);
        is_made || of_kind(objects, kind).any(|object| object["metadata"]["name"] == wanted)
    };
    let named = named
        .into_iter()
        .filter_map(|(kind, name)| Some((kind, name.as_str()?)));
    let missing = named.filter(|(kind, name)| !exists(kind, name));
    let mut problems: Problems = missing
        .map(|(kind, name)| format!("there is no {kind} {name}"))
        .collect();
    for mount in pod
        .containers()
        .flat_map(|container| items(&container["volumeMounts"]))
    {
        let mut volumes = items(&pod.spec["volumes"]).iter();
        if !volumes.any(|volume| volume["name"] == mount["name"]) {
            problems.push(format!("there is no volume {}", mount["name"]));
        }
    }
    problems
}

/// Each container is probed, on a port that it has.
fn probes(pod: Pod<'_>) -> Problems {
    let mut problems = Vec::new();
    for container in items(&pod.spec["containers"]) {
        let who = text(&container["name"]);
        for kind in PROBES.into_iter().chain(["startupProbe"]) {
            let Some(probe) = container.get(kind) else {
                if PROBES.contains(&kind) {
                    problems.push(format!("{who} has no {kind}"));
                }
                continue;
            };
            for way in ["httpGet", "tcpSocket"].map(|way| &probe[way]) {
                if !way.is_null() && !has_port(container, &way["port"]) {
                    problems.push(format!("{who} has no port {} for its {kind}", way["port"]));
                }
            }
        }
    }
    problems
}

/// A size such as `4Gi` in bytes.
fn bytes(size: &str) -> Option<u64> {
    let units = [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40)];
    units.iter().find_map(|(unit, bits)| {
        let number: u64 = size.strip_suffix(unit)?.parse().ok()?;
        Some(number << bits)
    })
}
