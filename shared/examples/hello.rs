//! The smallest service: it has one route and no store.
//!
//! Start it with `cargo run --example hello -- serve`, and call it with
//! `curl http://127.0.0.1:8080/hello/World`. The service has `/livez`, `/readyz` and `/version`,
//! and answers problems as `application/problem+json`. `--help` lists its settings. On SIGTERM it
//! finishes the requests under way, and exits with status 0.

#![expect(clippy::unused_async, reason = "operations are async functions")]

use std::process::ExitCode;

use clap::Subcommand;
use poem_openapi::{Object, OpenApi};
use serde::Serialize;
use shared::base::config::{Configuration, Reader, Setting};
use shared::http::json::Json;
use shared::http::parameter::Path;
use shared::http::problem::Problem;
use shared::http::routes::{NO_STORE, Routes};
use shared::service::cli::{self, Threads};
use shared::service::process::Process;
use shared::service::settings::{Defaults, ServiceConfiguration, ServiceSettings};

const GREETING: Setting = Setting {
    name: "GREETING",
    default: "Hello",
    help: "the first word of each answer",
};
const DEFAULTS: Defaults = Defaults {
    service: "hello",
    commit: "unknown",
    http_addr: "127.0.0.1:8080",
};
/// Most characters of a name.
const MAX_NAME: usize = 20;

shared::problem_kinds! {
    NAME_TOO_LONG "name-too-long" NOT_FOUND "This name is too long"
        "Send a name of at most 20 characters."
}

struct Config {
    common: ServiceSettings,
    greeting: String,
}

struct Api {
    greeting: String,
}

#[derive(Object, Serialize)]
struct Answer {
    text: String,
}

#[derive(Subcommand)]
enum Verb {
    /// Serve the HTTP API.
    Serve,
}

impl Configuration for Config {
    fn read(reader: &mut Reader) -> Option<Self> {
        let common = ServiceSettings::read(reader, DEFAULTS);
        let greeting = reader.read(GREETING);
        Some(Self {
            common: common?,
            greeting: greeting?,
        })
    }
}

impl ServiceConfiguration for Config {
    fn common(&self) -> &ServiceSettings {
        &self.common
    }
}

#[OpenApi]
impl Api {
    /// Greet a person
    #[oai(path = "/hello/:name", method = "get")]
    async fn hello(&self, name: Path<String>) -> Result<Json<Answer>, Problem> {
        if name.0.chars().count() > MAX_NAME {
            return Err(Problem::new(&NAME_TOO_LONG, "the name is too long"));
        }
        let text = format!("{}, {}!", self.greeting, name.0);
        Ok(Json(Answer { text }))
    }
}

fn main() -> ExitCode {
    let version = env!("CARGO_PKG_VERSION");
    match cli::verb("hello", "Greets.", version, Config::describe()) {
        Verb::Serve => cli::run(Threads::One, Config::from_env(), serve),
    }
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let process = Process::new(cli::begin(&config.common)?);
    let api = Api {
        greeting: config.greeting,
    };
    let routes = Routes::default().api(api, &NO_STORE).problems(KINDS);
    process.serve(&config.common, routes).await
}
