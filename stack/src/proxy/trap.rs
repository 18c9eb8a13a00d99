//! Traps: something is to happen at exactly one command, before it, behind it, or in between.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::{sync::oneshot, time::timeout};

/// When a trap springs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Moment {
    /// The command has arrived and was not passed on: it never takes effect.
    Before,
    /// The store has executed it and its answer was swallowed: the client cannot know.
    Executed,
    /// The answer was passed on.
    Answered,
}

/// What a trap does to the connection it springs on. Other connections go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spring {
    /// Nothing passes any more in either direction until the client is gone (or the link is cut):
    /// whoever armed the trap has all the time to kill it.
    Hold,
    /// It is closed at once.
    Cut,
}

/// A trap, to be armed with [`super::Proxy::arm`]. It springs once.
#[derive(Clone, Debug)]
pub struct Trap {
    pub(super) command: String,
    pub(super) moment: Moment,
    pub(super) spring: Spring,
    pub(super) nth: u64,
    pub(super) with_content: bool,
}

/// A trap that was armed. Dropping it leaves the trap where it is.
#[must_use]
#[derive(Debug)]
pub struct Armed {
    command: String,
    sprung: oneshot::Receiver<()>,
}

impl Moment {
    /// All three.
    pub const ALL: [Self; 3] = [Self::Before, Self::Executed, Self::Answered];
}

impl Trap {
    /// Waits for the first command whose label begins with `command`, in the sense of
    /// [`super::Proxy`]: `XACK`, `FCALL apply_orders`, `GET /products`.
    pub fn at(command: &str, moment: Moment) -> Self {
        Self {
            command: command.to_owned(),
            moment,
            spring: Spring::Hold,
            nth: 1,
            with_content: false,
        }
    }

    /// Waits for the n-th one instead (from 1).
    #[must_use]
    pub fn nth(mut self, nth: u64) -> Self {
        self.nth = nth.max(1);
        self
    }

    /// Counts only answers that hold something: a blocking read that ran out of time does not.
    /// Nothing is known of an answer [`Moment::Before`] the command.
    #[must_use]
    pub fn with_content(mut self) -> Self {
        self.with_content = true;
        self
    }

    /// Cuts the connection instead of holding it.
    #[must_use]
    pub fn cutting(mut self) -> Self {
        self.spring = Spring::Cut;
        self
    }
}

impl Armed {
    /// Waits until it has sprung.
    pub async fn sprung(self, limit: Duration) -> Result<()> {
        let name = self.command;
        let sprung = timeout(limit, self.sprung).await;
        sprung
            .with_context(|| format!("no `{name}` came within {limit:?}"))?
            .with_context(|| format!("the proxy is gone, and with it the trap at `{name}`"))
    }
}

/// The traps of one link.
#[derive(Debug, Default)]
pub(super) struct Traps(Vec<(Trap, oneshot::Sender<()>)>);

impl Traps {
    pub(super) fn arm(&mut self, trap: Trap) -> Armed {
        let (sender, sprung) = oneshot::channel();
        let command = trap.command.clone();
        self.0.push((trap, sender));
        Armed { command, sprung }
    }

    pub(super) fn clear(&mut self) {
        self.0.clear();
    }

    /// Counts a command that has come to this moment; a trap that it springs is used up.
    pub(super) fn pass(&mut self, moment: Moment, label: &str, is_empty: bool) -> Option<Sprung> {
        let waits = |trap: &Trap| {
            trap.moment == moment
                && label.starts_with(&trap.command)
                && !(trap.with_content && is_empty && moment != Moment::Before)
        };
        let matching = self.0.iter_mut().enumerate().filter(|(_, (trap, _))| waits(trap));
        let mut sprung = None;
        for (index, (trap, _)) in matching {
            trap.nth -= 1;
            if trap.nth == 0 {
                sprung = Some(index);
                break;
            }
        }
        let (trap, teller) = self.0.swap_remove(sprung?);
        Some(Sprung { spring: trap.spring, teller })
    }
}

/// A trap that has just sprung.
pub(super) struct Sprung {
    pub(super) spring: Spring,
    teller: oneshot::Sender<()>,
}

impl Sprung {
    /// Tells whoever armed it, if they still want to know.
    pub(super) fn tell(self) {
        let _ = self.teller.send(());
    }
}
