//! The tasks of a process that has a Redis store and reads a stream.

use std::sync::Arc;

use super::Process;
use crate::base::health::{Check, Progress};
use crate::contract::event::Event;
use crate::live::{FEED_BLOCK, Feed, Show};
use crate::redis::{Redis, RedisUrl};
use crate::service::checks;
use crate::store::Store;
use crate::store::claim::{SWEEP_INTERVAL, sweep_claims};
use crate::store::libraries::LOOK_INTERVAL;
use crate::store::open::Witness;
use crate::store::sweep::Sweep;
use crate::stream::consumer::{Consumer, Settings};
use crate::stream::dead_letter::Caretaker;
use crate::stream::delivery::Handler;
use crate::stream::replay::REPLAY_WINDOW;
use crate::stream::retention::{Limits, TRIM_INTERVAL, Trimmer};

impl Process {
    /// Opens the store of the service, watches it, and keeps its function libraries in order.
    pub fn open_store(&mut self, store: &Store, witness: Witness) {
        let (opening, stop) = (store.clone(), self.shutdown.clone());
        // The task owns the witness, so the connection of the witness closes when the store is
        // open.
        let opened = self.open_unchecked("store", async move {
            opening.open(&witness, &stop).await?;
            Ok(())
        });
        self.check(checks::own_store(store.clone(), opened));
        let store = store.clone();
        self.repeat("libraries", LOOK_INTERVAL, move || {
            let store = store.clone();
            async move { store.tend_libraries().await }
        });
    }

    /// Adds consumers of one event type: one for each partition, because each blocks in a read on a
    /// connection of its own.
    pub fn consume<H: Handler + Clone>(&mut self, handler: &H, store: &Store, settings: &Settings) {
        for partition in store.partitions().all() {
            let progress = Progress::new();
            self.checks
                .push(Check::progress("consumer", progress.clone()));
            let consumer = Consumer::new(
                handler.clone(),
                store.clone(),
                partition,
                settings,
                progress,
            );
            self.checks.push(checks::stream_store(
                consumer.stream_store(),
                consumer.membership().clone(),
                self.opened.clone(),
            ));
            let (opened, stop) = (self.opened.clone(), self.shutdown.clone());
            self.spawn(async move {
                // Until the store has its identity, its data may be missing. A handler must not act
                // on what it does not find there.
                opened.wait(&stop).await;
                consumer.run(stop).await;
                Ok(())
            });
        }
        self.notes
            .push(checks::pending::<H::Event>(store, settings));
        self.notes.push(checks::dead_letters(store.clone()));
        let interval = settings.report_interval;
        let caretaker = Arc::new(Caretaker::new(settings.dead_letters, interval / 2));
        let store = store.clone();
        self.repeat("dead letters", interval, move || {
            let (store, caretaker) = (store.clone(), Arc::clone(&caretaker));
            async move { caretaker.tend(&store).await }
        });
    }

    /// Adds what a process needs that emits `E` into `store`, and keeps nothing else there: a check
    /// of the store, and the task that trims the stream.
    pub fn emit<E: Event>(&mut self, store: &Store, limits: Limits) {
        self.check(checks::takes_changes(store.clone()));
        self.trim::<E>(store.clone(), limits);
    }

    /// Adds the task that removes old entries from the stream of `E` in `store`.
    pub fn trim<E: Event>(&mut self, store: Store, limits: Limits) {
        let trimmer = Arc::new(Trimmer::new(store, limits, REPLAY_WINDOW));
        self.repeat("trim", TRIM_INTERVAL, move || {
            let trimmer = Arc::clone(&trimmer);
            async move { trimmer.trim::<E>().await }
        });
    }

    /// Adds the task that removes old claims of idempotency keys.
    pub fn sweep_claims(&mut self, store: Store) {
        let sweep = Arc::new(Sweep::new("idempotency keys", SWEEP_INTERVAL / 2));
        self.repeat("sweep claims", SWEEP_INTERVAL, move || {
            let (store, sweep) = (store.clone(), Arc::clone(&sweep));
            async move { sweep_claims(&store, &sweep).await }
        });
    }

    /// Adds the tasks that pass the changes of `store` to `feed`. Each partition has a Redis client
    /// of its own, because its reads block.
    pub fn follow<S: Show>(&mut self, feed: &Feed<S>, store: &Store, url: &RedisUrl) {
        for partition in store.partitions().all() {
            let (feed, reader) = (feed.clone(), Redis::reader(url, FEED_BLOCK));
            self.run_loop("feed", |progress, stop| {
                feed.run(partition, reader, progress, stop)
            });
        }
    }
}
