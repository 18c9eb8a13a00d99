//! The binary of inventory: one verb, one process.

use std::process::ExitCode;

use inventory::app;
use inventory::config::Config;
use shared::base::config::Configuration;
use shared::service::cli::{self, Verb};

/// What `--version` says.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("SOURCE_COMMIT"), ")");

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let verb: Verb = cli::verb(
        "inventory",
        "Products and their stock.",
        VERSION,
        Config::describe(),
    );
    cli::run(verb.threads(), Config::from_env(), |config| {
        start(verb, config)
    })
}

async fn start(verb: Verb, config: Config) -> anyhow::Result<()> {
    match verb {
        Verb::Serve => app::serve(cli::begin(&config.common)?, config).await,
        Verb::Consume => app::consume(cli::begin(&config.common)?, config).await,
        Verb::Healthcheck { process } => {
            cli::healthcheck(process.address(&config.common, &config.stores)).await
        }
        Verb::Openapi => cli::print(&app::openapi(&config)?),
        Verb::Asyncapi => cli::print(&app::asyncapi()?),
        Verb::AdoptStore => Ok(app::accept_loss(&config).await?),
        Verb::DeadLetters { limit } => cli::dead_letters(&app::store(&config).own, limit).await,
    }
}
