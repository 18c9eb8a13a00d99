//! One mixed load while every part is killed: nothing is lost, and nothing happens twice.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::sync::Arc;

use fastrand::Rng;
use harness::http::{Answer, Method};
use harness::load::{self, Mix, Outcome};
use harness::postgres::Postgres;
use serde_json::{Value, json};
use stack::wait::eventually;
use todos::domain::TodoId;

use crate::audit::Audit;
use crate::system::{PARTITIONS, System};

/// Clients, each with todos of its own.
const CLIENTS: usize = 8;
/// Most todos that a client works on.
const MAX_OPEN: usize = 5;

/// What clients did, and what they were answered.
struct Load<'a> {
    system: &'a System,
    clients: Vec<RefCell<Vec<History>>>,
    numbers: Cell<u64>,
}

/// What a client did to one todo.
#[derive(Debug)]
struct History {
    id: String,
    /// Changes that were accepted, in order, as the audit writes them down.
    certain: Vec<String>,
    /// Changes of which the client does not know whether they happened.
    maybe: BTreeSet<String>,
    /// Whether the client is done with the todo.
    is_closed: bool,
}

impl Mix for Load<'_> {
    async fn operate(&self, client: usize, random: &mut Rng) -> (&'static str, Outcome) {
        let open: Vec<usize> = {
            let histories = self.clients[client].borrow();
            let open = histories.iter().enumerate().filter(|(_, it)| !it.is_closed);
            open.map(|(index, _)| index).collect()
        };
        let wait = ["", "?wait=applied"][random.usize(0..2)];
        if open.is_empty() || open.len() < MAX_OPEN && random.u8(0..4) == 0 {
            return ("create", self.create(client, wait).await);
        }
        let index = open[random.usize(0..open.len())];
        match random.u8(0..8) {
            0 => ("delete", self.delete(client, index, wait).await),
            1 => ("read", self.read(client, index).await),
            _ => ("change", self.change(client, index, wait).await),
        }
    }

    async fn disturb(&self, turn: usize) -> anyhow::Result<&'static str> {
        let System {
            serve,
            consume,
            broker,
            postgres,
            ..
        } = self.system;
        Ok(match turn % 4 {
            0 => {
                broker.kill();
                broker.restart().await?;
                "broker"
            }
            1 => {
                postgres.kill();
                postgres.restart().await?;
                "database"
            }
            2 => {
                serve.kill();
                serve.restart().await?;
                "API"
            }
            // Last, because the group takes seconds to notice.
            _ => {
                consume.kill();
                consume.restart().await?;
                "consumer"
            }
        })
    }
}

impl Load<'_> {
    async fn create(&self, client: usize, wait: &str) -> Outcome {
        let (id, title) = (TodoId::mint().to_string(), self.title());
        let body = json!({ "id": id, "title": title });
        let answer = self
            .ask(Method::POST, &format!("/todos/{wait}"), &body)
            .await;
        let mut history = History {
            id,
            certain: Vec::new(),
            maybe: BTreeSet::new(),
            is_closed: false,
        };
        let outcome = history.note(format!("INSERT {title}"), answer);
        // Without the todo there is nothing to work on.
        history.is_closed = outcome != Outcome::Done;
        self.clients[client].borrow_mut().push(history);
        outcome
    }

    async fn change(&self, client: usize, index: usize, wait: &str) -> Outcome {
        let title = self.title();
        let path = self.path(client, index);
        let body = json!({ "title": title });
        let answer = self.ask(Method::PUT, &format!("{path}{wait}"), &body).await;
        let history = &mut self.clients[client].borrow_mut()[index];
        history.note(format!("UPDATE {title}"), answer)
    }

    async fn delete(&self, client: usize, index: usize, wait: &str) -> Outcome {
        let path = format!("{}{wait}", self.path(client, index));
        let answer = self.ask(Method::DELETE, &path, &Value::Null).await;
        let history = &mut self.clients[client].borrow_mut()[index];
        let outcome = history.note("DELETE".to_owned(), answer);
        history.is_closed = outcome != Outcome::Refused;
        outcome
    }

    /// A todo that was accepted is there, or not there yet.
    async fn read(&self, client: usize, index: usize) -> Outcome {
        let path = self.path(client, index);
        match self.ask(Method::GET, &path, &Value::Null).await {
            Some(answer) if [200, 404].contains(&answer.status) => Outcome::Done,
            Some(answer) => {
                answer.assert_unavailable("database-unavailable");
                Outcome::Refused
            }
            None => Outcome::Unknown,
        }
    }

    /// The answer; `None` if the process or its connection is gone.
    async fn ask(&self, method: Method, path: &str, body: &Value) -> Option<Answer> {
        let request = self.system.site.request(method, path);
        let request = if body.is_null() {
            request
        } else {
            let request = request.header("content-type", "application/json");
            request.body(body.to_string())
        };
        Answer::attempt(request).await.ok()
    }

    fn title(&self) -> String {
        self.numbers.set(self.numbers.get() + 1);
        format!("title {}", self.numbers.get())
    }

    fn path(&self, client: usize, index: usize) -> String {
        format!("/todos/{}", self.clients[client].borrow()[index].id)
    }
}

impl History {
    fn note(&mut self, change: String, answer: Option<Answer>) -> Outcome {
        let Some(answer) = answer else {
            self.maybe.insert(change);
            return Outcome::Unknown;
        };
        match answer.status {
            200..=202 | 204 => {
                self.certain.push(change);
                Outcome::Done
            }
            // The todo is not there yet. With a wait, the change may have come before the todo went.
            404 => {
                self.maybe.insert(change);
                Outcome::Refused
            }
            503 if answer.text("type").ends_with("broker-unavailable") => {
                self.maybe.insert(change);
                Outcome::Unknown
            }
            503 => Outcome::Refused,
            504 => {
                self.maybe.insert(change);
                Outcome::Unknown
            }
            _ => panic!("{change}: {answer:?}"),
        }
    }

    /// Fails unless the database did what was accepted, once and in order, and nothing else.
    fn check(&self, audit: &[String]) {
        let found: BTreeSet<&String> = audit.iter().collect();
        assert_eq!(found.len(), audit.len(), "twice: {audit:?}: {self:?}");
        let certain = audit.iter().filter(|change| self.certain.contains(change));
        let certain: Vec<&String> = certain.collect();
        let expected: Vec<&String> = self.certain.iter().collect();
        assert_eq!(certain, expected, "{audit:?}: {self:?}");
        let strange =
            |change: &&&String| !self.certain.contains(change) && !self.maybe.contains(**change);
        assert_eq!(found.iter().find(strange), None, "{self:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn under_a_mixed_load_with_kills_each_accepted_change_happens_once_and_in_order() {
    let postgres = Arc::new(Postgres::start().await.unwrap());
    let system = System::start_on(postgres).await;
    let audit = Audit::begin(system.database().await).await;
    let load = Load {
        system: &system,
        clients: (0..CLIENTS).map(|_| RefCell::default()).collect(),
        numbers: Cell::new(0),
    };
    let report = load::run(&load, CLIENTS, fastrand::u64(..)).await.unwrap();
    eprintln!("{report}");
    settle(&system).await;
    let (mut certain, mut todos) = (0, 0);
    for history in load.clients.iter().flat_map(RefCell::take) {
        let changes = audit.of(&history.id).await;
        history.check(&changes);
        certain += history.certain.len();
        let is_there = !changes.is_empty() && !changes.contains(&"DELETE".to_owned());
        todos += usize::from(is_there);
        let status = if is_there { 200 } else { 404 };
        let found = system.site.get(&format!("/todos/{}", history.id)).await;
        assert_eq!(found.status, status, "{history:?}");
        if let Some(last) = changes.last().filter(|_| is_there) {
            let title = found.text("title");
            assert!(last.ends_with(&format!(" {title}")), "{last}: {title}");
        }
    }
    let barriers = usize::try_from(PARTITIONS).unwrap();
    assert_eq!(system.titles().await.len(), todos + barriers);
    assert_eq!(system.count_dead_letters(), 0);
    eprintln!("{certain} accepted changes, {todos} todos");
    let operations = ["create", "change", "delete", "read"];
    let disturbances = ["consumer", "broker", "database", "API"];
    report.ensure_lively(&operations, 5, &disturbances).unwrap();
}

/// Waits until all messages are applied: those behind them as well.
async fn settle(system: &System) {
    for member in [&system.serve, &system.consume] {
        member.wait_ready().await.unwrap();
    }
    for partition in 0..PARTITIONS {
        let id = system.produce_todos(partition, 1).await[0];
        eventually("the end of a partition", async || {
            system.site.get(&format!("/todos/{id}")).await.status == 200
        })
        .await;
    }
}
