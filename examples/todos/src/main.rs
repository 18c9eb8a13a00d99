//! The binary of todos: one verb, one process.

use std::process::ExitCode;

use clap::Subcommand;
use shared::base::config::Configuration;
use shared::service::cli::{self, Process, Threads};
use todos::app;
use todos::config::Config;

/// What the process does.
#[derive(Clone, Copy, Subcommand)]
enum Verb {
    /// Serve the HTTP API.
    Serve,
    /// Apply the messages of the topic to the database.
    Consume,
    /// Exit 0 when the process that runs `serve` (or `consume`) here is ready.
    Healthcheck {
        /// Which process to ask.
        #[arg(default_value = "serve")]
        process: Process,
    },
    /// Print the OpenAPI document.
    Openapi,
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let verb: Verb = cli::verb(
        "todos",
        "Todos over Kafka.",
        env!("CARGO_PKG_VERSION"),
        Config::describe(),
    );
    let threads = match verb {
        Verb::Serve => Threads::HalfTheCores,
        _ => Threads::One,
    };
    cli::run(threads, Config::from_env(), |config| start(verb, config))
}

async fn start(verb: Verb, config: Config) -> anyhow::Result<()> {
    match verb {
        Verb::Serve => app::serve(cli::begin(&config.common)?, config).await,
        Verb::Consume => app::consume(cli::begin(&config.common)?, config).await,
        Verb::Healthcheck { process } => {
            let address = match process {
                Process::Serve => &config.common.http_addr,
                Process::Consume => &config.consumer_http_addr,
            };
            cli::healthcheck(address).await
        }
        Verb::Openapi => cli::print(&app::openapi(&config)?),
    }
}
