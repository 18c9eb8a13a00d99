//! What the programs of the examples say about themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use harness::member::Member;
use harness::program;
use stack::wait::eventually;
use stack::{client, subprocess};

const HELP_LIMIT: Duration = Duration::from_secs(10);
/// Settings that every container may have.
const EVERYWHERE: [&str; 1] = ["TOKIO_WORKER_THREADS"];
/// Paths that a kubelet may ask.
const PROBES: [&str; 2] = ["/livez", "/readyz"];
/// The commands that run until they are told to stop.
const VERBS: [&str; 2] = ["serve", "consume"];

/// The programs by name.
pub(crate) struct Programs(BTreeMap<String, Program>);

/// One program.
#[derive(Clone, Default)]
pub(crate) struct Program {
    /// Its settings with their defaults.
    pub(crate) settings: BTreeMap<String, String>,
    /// The paths that each of its commands answers to a kubelet.
    pub(crate) probes: BTreeMap<String, BTreeSet<String>>,
}

impl Programs {
    /// Asks the built programs.
    pub(crate) async fn of_the_examples() -> Self {
        let names = ["records", "items", "todos"];
        let built = tokio::task::spawn_blocking(move || program::build(&names)).await;
        let mut programs = BTreeMap::new();
        for (name, path) in names.iter().zip(built.unwrap().unwrap()) {
            programs.insert((*name).to_owned(), ask(name, &path).await);
        }
        Self(programs)
    }

    /// One program, for a test of the checks.
    pub(crate) fn one(name: &str, program: Program) -> Self {
        Self(BTreeMap::from([(name.to_owned(), program)]))
    }

    /// The program that a container runs, if it is one of these.
    pub(crate) fn of(&self, words: &[&str]) -> Option<&Program> {
        self.0.get(*words.first()?)
    }
}

impl Program {
    /// The address setting of a command.
    pub(crate) fn address(verb: &str) -> &'static str {
        match verb {
            "serve" => "HTTP_ADDR",
            _ => "CONSUMER_HTTP_ADDR",
        }
    }

    /// Whether it has a setting of that name, or reads it from a file.
    pub(crate) fn has_setting(&self, name: &str) -> bool {
        let name = name.strip_suffix("_FILE").unwrap_or(name);
        self.settings.contains_key(name) || EVERYWHERE.contains(&name)
    }
}

async fn ask(name: &str, path: &Path) -> Program {
    let said = subprocess::run(Command::new(path).arg("--help"), HELP_LIMIT).unwrap();
    let mut program = Program {
        settings: settings(&said.stdout),
        ..Program::default()
    };
    assert!(program.settings.len() > 5, "{name}: {}", said.stdout);
    for verb in VERBS
        .into_iter()
        .filter(|verb| has_verb(&said.stdout, verb))
    {
        // Its servers are missing, so it is alive and not ready.
        let member = Member::start(name, path, &[verb], &[]).await.unwrap();
        let site = member.site();
        let url = format!("{}/livez", member.url());
        eventually("an answer", async || client::get(url.clone()).await.is_ok()).await;
        let mut answered = BTreeSet::new();
        for path in PROBES {
            if site.get(path).await.status != 404 {
                answered.insert(path.to_owned());
            }
        }
        program.probes.insert(verb.to_owned(), answered);
    }
    program
}

fn has_verb(help: &str, verb: &str) -> bool {
    let mut lines = help
        .lines()
        .filter_map(|line| line.split_whitespace().next());
    lines.any(|word| word == verb)
}

/// The table of settings at the end of `--help`: name, default, explanation.
fn settings(help: &str) -> BTreeMap<String, String> {
    let lines = help
        .lines()
        .skip_while(|line| !line.starts_with("Environment "));
    let rows = lines.skip(1).filter_map(|line| {
        let mut words = line.split_whitespace();
        Some((words.next()?.to_owned(), words.next()?.to_owned()))
    });
    rows.collect()
}
