//! Moves a slot from one primary to another while clients use it, as an operator does.

use std::time::Instant;

use anyhow::{Context, Result};

use super::{Cluster, LIMIT, Moved};
use crate::credentials::User;

/// The limit for moving one batch of keys, in milliseconds.
const MIGRATE_MS: &str = "5000";
/// The largest number of keys of a slot that are listed at once.
const MOST_KEYS: &str = "100000";

impl Cluster {
    /// Moves a slot with all its keys to the primary `to`, one batch of keys after the other, and
    /// calls `between` after each batch. The longest keys move first. So the keys of single orders
    /// and products move before the indexes that list them, the worst order for a reader of a list.
    pub async fn move_slot(
        &self,
        slot: u16,
        to: usize,
        batch: usize,
        mut between: impl AsyncFnMut(),
    ) -> Result<Moved> {
        let from = self.primary_of(slot).await?;
        let (source, target) = (self.name(from).await?, self.name(to).await?);
        let began = Instant::now();
        self.set_slot(to, slot, &["IMPORTING", &source]).await?;
        self.set_slot(from, slot, &["MIGRATING", &target]).await?;
        let mut moved = 0;
        loop {
            let ask = ["CLUSTER", "GETKEYSINSLOT", &slot.to_string(), MOST_KEYS];
            let mut keys: Vec<String> = self.nodes[from].tell(&ask).await?;
            if keys.is_empty() {
                break;
            }
            keys.sort_unstable_by_key(|key| std::cmp::Reverse(key.len()));
            for keys in keys.chunks(batch) {
                moved += keys.len();
                self.migrate(from, to, keys).await?;
                between().await;
            }
            anyhow::ensure!(began.elapsed() < LIMIT, "slot {slot} is still on the move");
        }
        // The new owner first: if this is the last step that succeeds, the slot still has an owner.
        self.set_slot(to, slot, &["NODE", &target]).await?;
        self.set_slot(from, slot, &["NODE", &target]).await?;
        let took = began.elapsed();
        let agreed = crate::wait::wait_until("all nodes to know of the move", LIMIT, || async {
            self.primary_of(slot)
                .await
                .is_ok_and(|primary| primary == to)
        });
        agreed.await?;
        Ok(Moved { keys: moved, took })
    }

    async fn migrate(&self, from: usize, to: usize, keys: &[String]) -> Result<()> {
        let port = self.node(to).port().to_string();
        let (user, password) = (
            User::Operator.name(),
            self.credentials.password(User::Operator),
        );
        let mut words = vec!["MIGRATE", "127.0.0.1", &port, "", "0", MIGRATE_MS];
        words.extend(["AUTH2", user, password, "KEYS"]);
        words.extend(keys.iter().map(String::as_str));
        self.nodes[from].tell(&words).await
    }

    async fn set_slot(&self, number: usize, slot: u16, words: &[&str]) -> Result<()> {
        let slot = slot.to_string();
        let words = [&["CLUSTER", "SETSLOT", &slot], words].concat();
        self.nodes[number].tell(&words).await
    }

    async fn name(&self, number: usize) -> Result<String> {
        let view = self.view(number).await?;
        Ok(view.myself().context("a node without a name")?.id.clone())
    }
}
