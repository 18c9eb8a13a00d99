//! The binary of records: one verb, one process.

use std::process::ExitCode;

use clap::Subcommand;
use records::app;
use records::config::Config;
use shared::base::config::Configuration;
use shared::service::cli::{self, Threads};

/// What the process does.
#[derive(Clone, Copy, Subcommand)]
enum Verb {
    /// Serve the HTTP API.
    Serve,
    /// Exit 0 when the process that runs `serve` here is ready.
    Healthcheck,
    /// Print the OpenAPI document.
    Openapi,
}

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let version = env!("CARGO_PKG_VERSION");
    let about = "Counters and records, with a cache.";
    let verb: Verb = cli::verb("records", about, version, Config::describe());
    let threads = match verb {
        Verb::Serve => Threads::HalfTheCores,
        Verb::Healthcheck | Verb::Openapi => Threads::One,
    };
    cli::run(threads, Config::from_env(), |config| start(verb, config))
}

async fn start(verb: Verb, config: Config) -> anyhow::Result<()> {
    match verb {
        Verb::Serve => app::serve(cli::begin(&config.common)?, config).await,
        Verb::Healthcheck => cli::healthcheck(&config.common.http_addr).await,
        Verb::Openapi => cli::print(&app::openapi(&config)),
    }
}
