//! `stack demo`: shows a story in five scenes on a private system, and checks each scene.

use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Args;
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

#[derive(Args)]
pub(crate) struct Demo {
    /// No colours (the variable `NO_COLOR` says the same)
    #[arg(long)]
    no_color: bool,
}

/// A part of the story.
#[derive(Clone, Copy)]
enum Scene {
    Buy,
    Oversell,
    DeleteInFlight,
    Cancel,
    KillConsumer,
}

impl Demo {
    pub(crate) fn run(self) -> Result<ExitCode> {
        // The download and the build may take minutes the first time. They happen before any
        // process runs, so Ctrl-C simply ends them.
        server::shared()?;
        let binaries = Build {
            release: false,
            progress: true,
        }
        .run()?;
        let screen = Screen::new(self.no_color);
        stack::runtime()?.block_on(perform(binaries, screen))
    }
}

impl Scene {
    const ALL: [Self; 5] = [
        Self::Buy,
        Self::Oversell,
        Self::DeleteInFlight,
        Self::Cancel,
        Self::KillConsumer,
    ];

    fn title(self) -> &'static str {
        match self {
            Self::Buy => "buy",
            Self::Oversell => "order more than there is",
            Self::DeleteInFlight => "delete the product in flight",
            Self::Cancel => "cancel in time",
            Self::KillConsumer => "kill the consumer in the middle of its work",
        }
    }

    /// Plays the scene, and answers how it ended. A wrong ending is an error.
    async fn play(self, stage: &Stage) -> Result<String> {
        match self {
            Self::Buy => scenes::buy(stage).await,
            Self::Oversell => scenes::oversell(stage).await,
            Self::DeleteInFlight => scenes::delete_in_flight(stage).await,
            Self::Cancel => scenes::cancel(stage).await,
            Self::KillConsumer => recovery::kill_consumer(stage).await,
        }
    }
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
    for (scene, number) in Scene::ALL.into_iter().zip(1..) {
        let title = format!("\nScene {number}: {}", scene.title());
        screen.line(&screen.ink(Ink::Title, &title));
        match scene.play(&stage).await {
            Ok(ending) => endings.push((scene, ending)),
            Err(error) => {
                summarize(screen, &endings, Some(scene));
                for obituary in stage.obituaries().await {
                    note(&obituary);
                }
                bail!(
                    "scene {number} ({}) did not end as it must: {error:#}",
                    scene.title()
                );
            }
        }
    }
    summarize(screen, &endings, None);
    Ok(())
}

/// Prints one line for each scene that was played, and the number of scenes that ended well.
fn summarize(screen: Screen, endings: &[(Scene, String)], failed: Option<Scene>) {
    screen.line("");
    for (scene, ending) in endings {
        let mark = screen.ink(Ink::Good, "✓");
        screen.line(&format!("{mark} {}: {ending}", scene.title()));
    }
    if let Some(scene) = failed {
        let mark = screen.ink(Ink::Bad, "✗");
        screen.line(&format!("{mark} {}", scene.title()));
    }
    let (good, all) = (endings.len(), Scene::ALL.len());
    let ink = if failed.is_none() {
        Ink::Good
    } else {
        Ink::Bad
    };
    screen.line(&screen.ink(ink, &format!("{good} of {all} scenes ended as they must")));
}
