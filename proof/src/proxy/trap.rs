//! Traps stop a connection at exactly one command: before it, after it, or before its answer.

use std::time::Duration;

use anyhow::{Context, Result};
use tokio::sync::oneshot;
use tokio::time::timeout;

/// When a trap springs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Moment {
    /// The proxy has received the command and does not pass it on: it never takes effect.
    Before,
    /// The server has executed the command, and the proxy drops its answer: the client cannot know
    /// whether the command took effect.
    Executed,
    /// The proxy has passed the answer on.
    Answered,
}

/// What a trap does to its connection when it springs. Other connections go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Spring {
    /// Nothing passes in either direction until the client is gone or the link is cut. So the test
    /// that armed the trap has time to kill the client.
    Hold,
    /// The connection is closed at once.
    Cut,
}

/// A trap, to be armed with [`super::Proxy::arm`]. It springs once.
#[derive(Clone, Debug)]
pub struct Trap {
    command: String,
    moment: Moment,
    spring: Spring,
    nth: u64,
    telling: Vec<u8>,
}

/// A trap that was armed. Dropping this value leaves the trap armed.
#[must_use]
#[derive(Debug)]
pub struct Armed {
    command: String,
    sprung: oneshot::Receiver<()>,
}

impl Moment {
    /// All three moments.
    pub const ALL: [Self; 3] = [Self::Before, Self::Executed, Self::Answered];
}

impl Trap {
    /// A trap for the first command whose label begins with `command`, such as `XACK`,
    /// `FCALL apply_orders` or `GET /products`. [`proxy`](crate::proxy) says what a label is.
    pub fn at(command: &str, moment: Moment) -> Self {
        Self {
            command: command.to_owned(),
            moment,
            spring: Spring::Hold,
            nth: 1,
            telling: Vec::new(),
        }
    }

    /// Springs at the n-th such command instead (from 1).
    #[must_use]
    pub fn nth(mut self, nth: u64) -> Self {
        self.nth = nth.max(1);
        self
    }

    /// Counts only commands whose answer contains this text: the answer of a blocking read that ran
    /// out of time does not. With [`Moment::Before`] no answer exists yet, so every command counts.
    #[must_use]
    pub fn telling(mut self, text: &str) -> Self {
        text.as_bytes().clone_into(&mut self.telling);
        self
    }

    /// The trap cuts the connection instead of holding it.
    #[must_use]
    pub fn cutting(mut self) -> Self {
        self.spring = Spring::Cut;
        self
    }
}

impl Armed {
    /// Waits until the trap has sprung.
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

    /// Counts a command that has reached this moment. A trap that it springs is removed.
    pub(super) fn pass(&mut self, moment: Moment, label: &str, answer: &[u8]) -> Option<Sprung> {
        let waits = |trap: &Trap| {
            trap.moment == moment
                && label.starts_with(&trap.command)
                && (moment == Moment::Before || contains(answer, &trap.telling))
        };
        let matching = self
            .0
            .iter_mut()
            .enumerate()
            .filter(|(_, (trap, _))| waits(trap));
        let mut sprung = None;
        for (index, (trap, _)) in matching {
            trap.nth -= 1;
            if trap.nth == 0 {
                sprung = Some(index);
                break;
            }
        }
        let (trap, teller) = self.0.swap_remove(sprung?);
        Some(Sprung {
            spring: trap.spring,
            teller,
        })
    }
}

fn contains(bytes: &[u8], text: &[u8]) -> bool {
    text.is_empty() || bytes.windows(text.len()).any(|window| window == text)
}

/// A trap that has just sprung.
pub(super) struct Sprung {
    pub(super) spring: Spring,
    teller: oneshot::Sender<()>,
}

impl Sprung {
    /// Tells the test that armed the trap, unless the test has stopped waiting.
    pub(super) fn tell(self) {
        let _ = self.teller.send(());
    }
}
