//! A container with one of our programs, beside what the program says about itself.

use std::time::Duration;

use serde_json::Value;

use super::{PROBES, Problems};
use crate::objects::{items, text};
use crate::pods::{Pod, has_port, variables, words};
use crate::programs::{Program, Programs};

/// How long a process takes to finish its work after `DRAIN_DELAY`, with its last log lines.
const FINISH: Duration = Duration::from_millis(5_500);
/// The grace period of a pod that does not name one.
const DEFAULT_GRACE: Duration = Duration::from_secs(30);

/// A container with one of our programs has settings of that program, listens on the port that it
/// names, answers its probes, and has the time to drain.
pub(super) fn settings(pod: Pod<'_>, programs: &Programs) -> Problems {
    let mut problems = Vec::new();
    for container in items(&pod.spec["containers"]) {
        let words = words(container);
        let Some(program) = programs.of(&words) else {
            continue;
        };
        let who = text(&container["name"]);
        let verb = words.get(1).copied().unwrap_or_default();
        for (variable, _) in variables(container) {
            if !program.has_setting(variable) {
                problems.push(format!("{who}: {variable} is no setting of {}", words[0]));
            }
        }
        let address = setting(container, program, Program::address(verb));
        let port = address
            .rsplit_once(':')
            .and_then(|(_, port)| port.parse().ok());
        if !has_port(container, &port.unwrap_or(0_u16).into()) {
            problems.push(format!(
                "{who} listens on {address}, which is not among its ports"
            ));
        }
        if address.starts_with("127.") || address.starts_with("localhost") {
            problems.push(format!(
                "{who} listens on {address}, where no other pod reaches it"
            ));
        }
        for kind in PROBES {
            let path = text(&container[kind]["httpGet"]["path"]);
            let answers = program.probes.get(verb);
            if !answers.is_some_and(|answers| answers.contains(path)) {
                problems.push(format!(
                    "{who}: `{verb}` does not answer {path} for its {kind}"
                ));
            }
        }
        let drain = humantime::parse_duration(setting(container, program, "DRAIN_DELAY"));
        let grace = pod.spec["terminationGracePeriodSeconds"].as_u64();
        let grace = grace.map_or(DEFAULT_GRACE, Duration::from_secs);
        if drain.is_ok_and(|drain| drain + FINISH > grace) {
            problems.push(format!("{who} is killed after {grace:?}, while it drains"));
        }
    }
    problems
}

/// The value of a setting: from the container, or else its default.
fn setting<'a>(container: &'a Value, program: &'a Program, name: &str) -> &'a str {
    let mut given = variables(container);
    let given = given.find(|(variable, _)| *variable == name);
    let default = program.settings.get(name).map_or("", String::as_str);
    given.map_or(default, |(_, value)| value)
}
