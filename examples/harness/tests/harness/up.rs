//! `example up` as people use it, with real servers and stand-ins for the programs of the examples.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use harness::example::{EXAMPLES, Example};
use harness::http::{Answer, Method, Site};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::{Connection, PgConnection};
use stack::ports;
use stack::wait::eventually;
use tempfile::TempDir;

use crate::servers::is_named;
use crate::stand_ins::stand_ins;

/// Generous, because a run may have to build its program first.
const LIMIT: Duration = Duration::from_mins(10);
/// Every port of a test lies below those of servers in other tests.
const FIRST_OFFSET: u16 = 8_500;

/// A running `example up`, and the lines that it prints.
struct Up {
    child: Child,
    lines: Receiver<String>,
}

/// A data folder that other users may enter: PostgreSQL may run as another user.
fn data_folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

fn command(name: &str, programs: &Path, data: &Path, offset: u16) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_example"));
    command
        .args(["up", name, "--port-offset", &offset.to_string()])
        .arg("--data-dir")
        .arg(data)
        .env("PAS_DE_DEUX_BIN_DIR", programs)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    for setting in [
        "DATABASE_URL",
        "KAFKA_BROKERS",
        "REDIS_URL",
        "ITEMS_REDIS_URL",
    ] {
        command.env_remove(setting);
    }
    command
}

/// An offset with which all ports of an example are free. Each test has a range of its own.
fn free_offset(name: &str, test: u16) -> u16 {
    let example = Example::by_name(name).unwrap();
    let roles = example.roles.iter().map(|role| role.port);
    let all: Vec<u16> = roles
        .chain(example.needs.iter().map(|need| need.port))
        .collect();
    let first = FIRST_OFFSET + 150 * test;
    let is_free = |offset: &u16| all.iter().all(|port| ports::is_free(port + offset));
    (first..first + 150).find(is_free).unwrap()
}

impl Up {
    /// Starts `example up` and waits for its frame.
    fn start(mut command: Command) -> (Self, Vec<String>) {
        let mut child = command.spawn().unwrap();
        let (sender, lines) = channel();
        let stdout = child
            .stdout
            .take()
            .map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
        let stderr = child
            .stderr
            .take()
            .map(|pipe| Box::new(pipe) as Box<dyn Read + Send>);
        for pipe in [stdout, stderr].into_iter().flatten() {
            let sender = sender.clone();
            thread::spawn(move || {
                let mut lines = BufReader::new(pipe).lines().map_while(Result::ok);
                lines.try_for_each(|line| sender.send(line))
            });
        }
        let up = Self { child, lines };
        let mut seen = Vec::new();
        while let Ok(line) = up.lines.recv_timeout(LIMIT) {
            seen.push(line);
            if seen[seen.len() - 1].starts_with('╰') {
                return (up, seen);
            }
        }
        panic!("no frame: {seen:#?}")
    }

    fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().cast_signed()), signal).unwrap();
    }

    /// Waits for the end, and returns the exit code.
    fn end(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

impl Drop for Up {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The error of a run that does not start.
fn refused(mut command: Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

/// The settings of the first process, in the order of the stand-in.
async fn settings(name: &str, offset: u16) -> Vec<String> {
    let port = Example::by_name(name).unwrap().roles[0].port + offset;
    let answer = stack::client::get(format!("http://127.0.0.1:{port}/")).await;
    let text = answer.unwrap().text().await.unwrap();
    text.split('\n').map(str::to_owned).collect()
}

fn name_of(folder: &TempDir) -> String {
    folder
        .path()
        .file_name()
        .unwrap()
        .to_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn todos_get_a_database_and_a_broker_and_ctrl_c_leaves_no_process() {
    let (programs, data) = (stand_ins(), data_folder());
    let offset = free_offset("todos", 0);
    let mut found = Vec::new();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let (mut up, lines) = Up::start(command("todos", programs.path(), data.path(), offset));
        let frame = lines.join("\n");
        let url = format!("http://127.0.0.1:{}", 8003 + offset);
        assert!(frame.contains(&format!("docs {url}/docs")), "{frame}");
        assert!(frame.contains("todos consume | consume listens"), "{frame}");
        let given = settings("todos", offset).await;
        let mut session = PgConnection::connect(&given[0]).await.unwrap();
        let name: String = sqlx::query_scalar("SELECT current_database()")
            .fetch_one(&mut session)
            .await
            .unwrap();
        assert_eq!(name, "todos");
        assert_eq!(given[1], format!("127.0.0.1:{}", 9093 + offset));
        assert!(std::net::TcpStream::connect(&given[1]).is_ok());
        found.push(given);
        up.signal(signal);
        assert_eq!(up.end(), Some(0));
        assert!(!is_named(&name_of(&data)));
        assert!(!is_named(&name_of(&programs)));
    }
    assert_eq!(
        found[0], found[1],
        "the second run found the data of the first"
    );
}

#[tokio::test]
async fn each_example_answers_the_call_that_its_frame_shows() {
    for (test, example) in EXAMPLES.iter().enumerate() {
        let data = data_folder();
        let offset = free_offset(example.name, 5 + u16::try_from(test).unwrap());
        let mut command = command(example.name, Path::new(""), data.path(), offset);
        command.env_remove("PAS_DE_DEUX_BIN_DIR");
        let (mut up, lines) = Up::start(command);
        let url = format!("http://127.0.0.1:{}", example.roles[0].port + offset);
        let (call, frame) = (&example.first_call, lines.join("\n"));
        assert!(frame.contains(&call.command(&url)), "{frame}");
        let site = Site::new(url);
        let answer = match call.body {
            Some(body) => site.post(call.path, body).await,
            None => Answer::to(site.request(Method::POST, call.path)).await,
        };
        answer.expect(call.status);
        site.get("/docs").await.expect(200);
        up.signal(Signal::SIGINT);
        assert_eq!(up.end(), Some(0));
        assert!(!is_named(&name_of(&data)));
    }
}

#[tokio::test]
async fn killing_the_run_itself_leaves_no_process() {
    let (programs, data) = (stand_ins(), data_folder());
    for name in ["records", "items"] {
        let folder = data.path().join(name);
        let offset = free_offset(name, 1);
        let (mut up, _) = Up::start(command(name, programs.path(), &folder, offset));
        let given = settings(name, offset).await;
        let url = given[2..].iter().find(|url| !url.is_empty()).unwrap();
        let client = redis::Client::open(url.as_str()).unwrap();
        assert!(client.get_connection().is_ok(), "{given:?}");
        up.signal(Signal::SIGKILL);
        up.end();
        for folder in [&data, &programs] {
            let word = name_of(folder);
            eventually("the end of all processes", async || !is_named(&word)).await;
        }
    }
}

#[tokio::test]
async fn a_server_by_url_is_used_instead_of_a_started_one() {
    let (programs, data) = (stand_ins(), data_folder());
    let offset = free_offset("records", 2);
    let mut command = command("records", programs.path(), data.path(), offset);
    command.env("DATABASE_URL", "postgres://elsewhere/records");
    let (up, lines) = Up::start(command);
    assert_eq!(
        settings("records", offset).await[0],
        "postgres://elsewhere/records"
    );
    assert!(!data.path().join("postgres").exists() && data.path().join("redis").exists());
    let frame = lines.join("\n");
    assert!(
        frame.contains("postgres   the server in DATABASE_URL"),
        "{frame}"
    );
    drop(up);
}

#[test]
fn a_taken_port_is_named_with_the_process_that_holds_it() {
    let (programs, data) = (stand_ins(), data_folder());
    let offset = free_offset("todos", 3);
    let port = 5443 + offset;
    let _taken = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let error = refused(command("todos", programs.path(), data.path(), offset));
    let process = std::process::id();
    assert!(
        error.contains(&format!(
            "port {port} (postgres) is taken by process {process} ("
        )),
        "{error}"
    );
    assert!(error.contains("just run-todos --port-offset"), "{error}");
    let error = refused(command("todos", programs.path(), data.path(), 60_000));
    assert!(error.contains("leads past port 65535"), "{error}");
}

#[test]
fn mistakes_are_refused_before_any_process_starts() {
    let (programs, data) = (stand_ins(), data_folder());
    let error = refused(command("orders", programs.path(), data.path(), 9_000));
    assert!(
        error.contains("no example `orders`, only records, items, todos"),
        "{error}"
    );

    fs::write(data.path().join("letter"), "mine").unwrap();
    let error = refused(command("items", programs.path(), data.path(), 9_000));
    assert!(error.contains("was not made by run-items"), "{error}");
    assert_eq!(fs::read_dir(data.path()).unwrap().count(), 1);
}
