//! The pages show how to run the pair on a console. Each command is carried out, on other ports, and
//! prints what the page says.

use std::fs;

use harness::http::{Method, Site};
use harness::member::Member;
use harness::program;
use harness::redis::Redis;
use shared::redis::{Command, Redis as Client};
use stack::project;
use stack::wait::eventually;
use tokio::task::spawn_blocking;

/// The pages with the block of the pair.
const PAGES: [&str; 2] = ["docs/build-your-own.md", "examples/hello/README.md"];
/// The server of the block.
const SERVER: &str = "$ redis-server --appendonly yes &";
/// The address of the greeter in the block: its default.
const GREETER: &str = "http://127.0.0.1:8007";

/// What the commands have started.
struct Console {
    redis: Redis,
    members: Vec<Member>,
}

impl Console {
    /// Carries a command out, and answers what it prints.
    async fn run(&mut self, command: &str, prints: &str) -> String {
        match command.split_whitespace().collect::<Vec<_>>()[..] {
            ["cargo", "build", "--workspace", "--bin", "hello"] => {}
            ["target/debug/hello", verb, "&"] => self.start(verb).await,
            ["curl", "-X", "POST", url] => {
                let path = url.strip_prefix(GREETER).unwrap();
                let site: Site = self.members[0].site();
                return site.ask(Method::POST, path, &[]).await.expect(200).body;
            }
            ["redis-cli", "-n", database, name, key] => {
                let url = format!("{}/{database}", self.redis.url());
                let client = Client::worker(&url.parse().unwrap());
                assert_eq!((name, key), ("HGETALL", "counts"));
                return eventually(prints, async || {
                    let ask = Command::new("HGETALL").key("counts");
                    let texts = client.run(ask).await.ok()?.texts().ok()?;
                    let lines = texts.iter().enumerate();
                    let lines = lines.map(|(at, text)| format!("{}) {text:?}", at + 1));
                    let said = lines.collect::<Vec<_>>().join("\n");
                    (said == prints).then_some(said)
                })
                .await;
            }
            _ => panic!("what does `{command}` do?"),
        }
        String::new()
    }

    /// Starts a process as the block does, with the two databases of its one server.
    async fn start(&mut self, verb: &str) {
        let program = spawn_blocking(|| program::build(&["hello"]));
        let [program] = program.await.unwrap().unwrap();
        let urls = [0, 1].map(|database| format!("{}/{database}", self.redis.url()));
        let env = [
            ("GREETER_REDIS_URL", &*urls[0]),
            ("COUNTER_REDIS_URL", &*urls[1]),
        ];
        let member = Member::start(verb, &program, &[verb], &env).await.unwrap();
        member.wait_ready().await.unwrap();
        self.members.push(member);
    }
}

/// The commands of the block that begins with the server, and what each prints.
fn steps(page: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(project::root().join(page)).unwrap();
    let block = text.split("```").find(|block| block.contains(SERVER));
    let block = block.unwrap_or_else(|| panic!("{page} has no `{SERVER}`"));
    let steps = block.split("\n$ ").skip(1).map(|step| {
        let (command, prints) = step.split_once('\n').unwrap_or((step, ""));
        let command = command.split(" #").next().unwrap_or_default();
        (command.trim().to_owned(), prints.trim_end().to_owned())
    });
    steps.collect()
}

#[tokio::test]
async fn the_commands_of_the_pages_print_what_the_pages_say() {
    for page in PAGES {
        let mut console = Console {
            redis: Redis::start().await.unwrap(),
            members: Vec::new(),
        };
        let steps = steps(page);
        assert_eq!(steps.len(), 6, "{page}: {steps:?}");
        for (command, prints) in &steps[1..] {
            let said = console.run(command, prints).await;
            assert_eq!(&said, prints, "{page}: {command}");
        }
    }
}

/// The commands need no setting, so the addresses in the block are the defaults.
#[test]
fn the_addresses_of_the_pages_are_the_defaults() {
    let [program] = program::build(&["hello"]).unwrap();
    let help = std::process::Command::new(program).arg("--help").output();
    let help = String::from_utf8(help.unwrap().stdout).unwrap();
    for (name, value) in [
        ("HTTP_ADDR", "127.0.0.1:8007"),
        ("CONSUMER_HTTP_ADDR", "127.0.0.1:8008"),
        ("GREETER_REDIS_URL", "redis://127.0.0.1:6379/0"),
        ("COUNTER_REDIS_URL", "redis://127.0.0.1:6379/1"),
    ] {
        let mut lines = help.lines().map(|line| line.split_whitespace().take(2));
        assert!(lines.any(|words| words.eq([name, value])), "{name}: {help}");
    }
}
