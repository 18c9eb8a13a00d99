//! `stack demo`: shows a story in five scenes on a private system, and checks each scene.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use stack::binaries::{Binaries, Build};
use stack::note::note;
use stack::server;
use stack::signals::Signals;

use crate::verbs::screen::{Ink, Screen};
use stage::{COMPLETION_DELAY, Stage};

pub(crate) mod api;
mod life;
mod recovery;
pub(crate) mod request;
mod scenes;
mod stage;
mod streams;

/// The number of scenes.
const SCENES: usize = 5;

#[derive(Args)]
pub(crate) struct Demo {
    /// No colours (the variable `NO_COLOR` says the same)
    #[arg(long)]
    no_color: bool,
}

impl Demo {
    pub(crate) fn run(self) -> Result<ExitCode> {
        // The download and the build may take minutes the first time. They happen before any
        // process runs, so Ctrl-C simply ends them.
        server::shared()?;
        let binaries = Build::show(false)?;
        let screen = Screen::new(self.no_color);
        stack::runtime()?.block_on(perform(binaries, screen))
    }
}

/// The scenes of the story, each with its title. A scene answers how it ended; a wrong ending is an
/// error.
fn story(stage: &Stage) -> [(&'static str, LocalBoxFuture<'_, Result<String>>); SCENES] {
    [
        ("buy", scenes::buy(stage).boxed_local()),
        (
            "order more than there is",
            scenes::oversell(stage).boxed_local(),
        ),
        (
            "delete the product in flight",
            scenes::delete_in_flight(stage).boxed_local(),
        ),
        ("cancel in time", scenes::cancel(stage).boxed_local()),
        (
            "kill the consumer in the middle of its work",
            recovery::kill_consumer(stage).boxed_local(),
        ),
    ]
}

/// Plays the story until its end or a signal. In both cases the future that owns the system is
/// dropped, and stops the system.
async fn perform(binaries: Binaries, screen: Screen) -> Result<ExitCode> {
    let mut signals = Signals::new()?;
    let status = tokio::select! {
        played = play(binaries, screen) => return played.map(|()| ExitCode::SUCCESS),
        status = signals.next() => status,
    };
    note("interrupted; the private system is stopped");
    Ok(status)
}

async fn play(binaries: Binaries, screen: Screen) -> Result<()> {
    screen.line("Starting a private system: two stores, two services, two consumers.");
    let stage = Stage::build(binaries, screen).await?;
    screen.line(&format!(
        "It is ready. Orders are paid {:.1} s after they were placed.",
        COMPLETION_DELAY.as_secs_f64()
    ));
    let mut endings = Vec::new();
    for ((scene, play), number) in story(&stage).into_iter().zip(1..) {
        let title = format!("\nScene {number}: {scene}");
        screen.line(&screen.ink(Ink::Title, &title));
        match play.await {
            Ok(ending) => endings.push((scene, ending)),
            Err(error) => {
                summarize(screen, &endings, Some(scene));
                for obituary in stage.obituaries().await {
                    note(&obituary);
                }
                bail!("scene {number} ({scene}) did not end as it must: {error:#}");
            }
        }
    }
    summarize(screen, &endings, None);
    Ok(())
}

/// Prints one line for each scene that was played, and the number of scenes that ended well.
fn summarize(screen: Screen, endings: &[(&str, String)], failed: Option<&str>) {
    screen.line("");
    for (scene, ending) in endings {
        let mark = screen.ink(Ink::Good, "✓");
        screen.line(&format!("{mark} {scene}: {ending}"));
    }
    if let Some(scene) = failed {
        let mark = screen.ink(Ink::Bad, "✗");
        screen.line(&format!("{mark} {scene}"));
    }
    let good = endings.len();
    let ink = if failed.is_none() {
        Ink::Good
    } else {
        Ink::Bad
    };
    screen.line(&screen.ink(
        ink,
        &format!("{good} of {SCENES} scenes ended as they must"),
    ));
}
