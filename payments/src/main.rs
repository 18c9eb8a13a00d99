//! The binary of payments: one verb, one process.

use std::process::ExitCode;

use payments::app;
use payments::config::Config;
use payments::reconcile::Options;
use shared::base::config::Configuration;
use shared::service::cli::{self, Threads, Verb};

/// What to run.
#[derive(clap::Subcommand)]
enum OwnVerb {
    #[command(flatten)]
    Alike(Verb),
    /// Compare the orders with what inventory knows of them. Exit 0 when nothing differs (any
    /// more), 3 when differences remain, 1 when it could not finish.
    Reconcile(Options),
}

/// What `--version` says.
const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), " (", env!("SOURCE_COMMIT"), ")");

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let verb: OwnVerb = cli::verb(
        "payments",
        "Orders, from placing to payment or refund.",
        VERSION,
        Config::describe(),
    );
    let threads = match &verb {
        OwnVerb::Alike(verb) => verb.threads(),
        OwnVerb::Reconcile(_) => Threads::One,
    };
    cli::run(threads, Config::from_env(), |config| start(verb, config))
}

async fn start(verb: OwnVerb, config: Config) -> anyhow::Result<ExitCode> {
    match verb {
        OwnVerb::Alike(verb) => Box::pin(start_alike(verb, config))
            .await
            .map(|()| ExitCode::SUCCESS),
        OwnVerb::Reconcile(options) => app::reconciler(&config, options)?.run().await,
    }
}

async fn start_alike(verb: Verb, config: Config) -> anyhow::Result<()> {
    match verb {
        Verb::Serve => Box::pin(app::serve(cli::begin(&config.common)?, config)).await,
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
