//! Faults of the links between processes and stores.

use std::time::Duration;

use anyhow::Result;
use tokio::time::sleep;

use super::Injector;
use crate::chaos::figures::Figure;
use crate::chaos::plan::{Link, Tcp};
use crate::proxy::{Block, Faults};

impl Injector {
    pub(super) async fn harm(&self, link: Link, tcp: Tcp, time: Duration) -> Result<()> {
        let _turn = self.turn(&link.to_string()).await;
        let proxy = self.proxy(link);
        self.history
            .note_fault(format!("{tcp:?} {link} for {time:?}"));
        let usual = self.usual();
        match tcp {
            Tcp::Cut => proxy.refuse(),
            Tcp::HalfOpen => proxy.set(Faults {
                block: Block::Both,
                ..usual
            }),
            Tcp::Slow(delay) => proxy.set(Faults { delay, ..usual }),
            Tcp::Split(piece) => proxy.set(Faults { piece, ..usual }),
        }
        sleep(time).await;
        proxy.set(usual);
        self.tally.count(Figure::TcpFaults);
        Ok(())
    }

    pub(super) async fn part(&self, stop: &[Link], release: &[Link], pause: Duration) {
        let mut turns = Vec::new();
        for link in stop {
            turns.push((*link, self.turn(&link.to_string()).await));
            self.proxy(*link).set(Faults {
                block: Block::Both,
                ..self.usual()
            });
            sleep(pause).await;
        }
        for link in release {
            self.proxy(*link).set(self.usual());
            turns.retain(|(held, _)| held != link);
            sleep(pause).await;
        }
        self.tally.count(Figure::Partitions);
    }
}
