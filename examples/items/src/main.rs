//! The binary of items: one verb, one process.

use std::process::ExitCode;

use items::app;
use items::config::Config;
use shared::base::config::Configuration;
use shared::service::cli::{self, Verb};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let verb: Verb = cli::verb(
        "items",
        "A key-value store with asynchronous writes.",
        env!("CARGO_PKG_VERSION"),
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
        Verb::Openapi => cli::print(&app::openapi(&config)),
        Verb::Asyncapi => cli::print(&app::asyncapi()?),
        Verb::AdoptStore => Ok(app::accept_loss(&config).await?),
        Verb::DeadLetters { limit } => cli::dead_letters(&app::store(&config).own, limit).await,
    }
}
