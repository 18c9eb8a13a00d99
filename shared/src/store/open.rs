//! What must hold before a service may use its store: the server is fit to keep data, the functions
//! are loaded, the store has kept its data, and its layout is the one of this build.

use std::mem::replace;
use std::time::Duration;

use uuid::Uuid;

use crate::base::backoff::Backoff;
use crate::base::shutdown::{Shutdown, sleep_unless};
use crate::redis::{Code, Command, RedisError};
use crate::store::function::IDENTITY;
use crate::store::open::identity::PartitionState;
use crate::store::open::server::Keeping;
use crate::store::partition::Partition;
use crate::store::{Store, due, incarnation};

mod error;
mod identity;
mod migration;
mod server;
mod witness;

pub use crate::store::open::error::OpenError;
pub use crate::store::open::witness::Witness;

/// What was logged already, because each fact is logged once and not at every attempt to open.
#[derive(Default)]
struct Reported {
    keeps_nothing: bool,
    migrates: bool,
}

/// Wait between two attempts to open a store.
const OPEN_BACKOFF: Backoff = Backoff {
    first: Duration::from_millis(50),
    max: Duration::from_secs(2),
};

impl Store {
    /// Tries again until the store is fit for use. Gives up only where no later attempt can
    /// succeed. Returns `Ok` as well when the process stops.
    pub async fn open(&self, witness: &Witness, shutdown: &Shutdown) -> Result<(), OpenError> {
        let mut failures = 0;
        let mut reported = Reported::default();
        loop {
            let error = match self.try_open(witness, &mut reported).await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_final() => return Err(error),
                Err(error) => error.to_string(),
            };
            if self.set_obstacle(&error) {
                tracing::warn!("not ready: {error}");
            }
            failures += 1;
            if !sleep_unless(shutdown, OPEN_BACKOFF.wait(failures)).await {
                return Ok(());
            }
        }
    }

    async fn try_open(&self, witness: &Witness, reported: &mut Reported) -> Result<(), OpenError> {
        for partition in self.partitions().all() {
            let keeping = self.check_server(partition).await?;
            if keeping == Keeping::Nothing && !replace(&mut reported.keeps_nothing, true) {
                tracing::warn!(
                    "the store keeps no append-only file: a restart of Redis loses accepted orders"
                );
            }
        }
        let states = self.claimable(witness).await?;
        for partition in self.partitions().all() {
            self.load_functions(partition).await.map_err(never_loads)?;
        }
        if states
            .iter()
            .any(|(_, state)| matches!(state, PartitionState::Missing))
        {
            self.ensure_identity(witness).await?;
        }
        for partition in self.partitions().all() {
            self.migrate(partition, reported).await?;
        }
        Ok(self.confirm_identity().await?)
    }

    /// Makes sure that each partition has the identity and layout of this build. Changes nothing.
    pub async fn verify(&self) -> Result<(), OpenError> {
        for (_, state) in self.states().await? {
            match state {
                PartitionState::Current => {}
                PartitionState::Missing => return Err(OpenError::NoIdentity),
                PartitionState::Older(_) => return Err(OpenError::OlderLayout),
            }
        }
        Ok(())
    }

    /// Makes sure that nothing forbids this service to take the store. Answers whether a partition
    /// has no identity.
    pub(crate) async fn lacks_identity(&self, witness: &Witness) -> Result<bool, OpenError> {
        let states = self.claimable(witness).await?;
        let mut states = states.iter().map(|(_, state)| state);
        Ok(states.any(|state| matches!(state, PartitionState::Missing)))
    }

    /// The state of each partition, if this service may take the store. If another service keeps
    /// the stream that this one reads, a store that has this stream, and has no identity, belongs to
    /// the other service.
    async fn claimable(
        &self,
        witness: &Witness,
    ) -> Result<Vec<(Partition, PartitionState)>, OpenError> {
        let states = self.states().await?;
        for (partition, state) in &states {
            if witness.is_own || !matches!(state, PartitionState::Missing) {
                continue;
            }
            let exists = Command::new("EXISTS")
                .key(partition.key(witness.stream))
                .as_attempt();
            let there = match self.run(exists).await {
                // A Redis user of this service's own store may not touch the stream of the other.
                Err(error) if error.is(Code::NoPerm) => false,
                there => there?.int().map_err(RedisError::from)? == 1,
            };
            if there {
                let owner = "the other service".to_owned();
                return Err(OpenError::OtherService {
                    owner,
                    service: self.layout().service,
                });
            }
        }
        Ok(states)
    }

    /// Gives an empty store its identity, although data may have been lost. The store no longer
    /// knows which orders it served. A replay would find no product, and refund orders that were
    /// served. So this records the incarnation and removes the marks, and no replay begins.
    pub async fn adopt(&self) -> Result<(), RedisError> {
        for partition in self.partitions().all() {
            let set = Command::new("SET").key(partition.key(IDENTITY));
            if self.identity(partition).await?.is_some() {
                continue;
            }
            due::remove_all(self, partition).await?;
            incarnation::record(self, partition, &self.incarnation().await?).await?;
            let identity = self.identity_text(&Uuid::now_v7().to_string());
            self.run(set.arg(identity).arg("NX")).await?;
        }
        Ok(())
    }

    /// A store without identity is either new or has lost everything. The stream that this service
    /// reads tells which. Only a service that has opened its store creates the group there, and
    /// only orders bring entries.
    async fn ensure_identity(&self, witness: &Witness) -> Result<(), OpenError> {
        if self.has_every_identity().await? {
            return Ok(());
        }
        let mut known = None;
        for partition in self.partitions().all() {
            let stream = partition.key(witness.stream);
            if witness.knows_service(&stream).await? {
                known = Some(stream);
            }
        }
        // Meanwhile another process of this service may have opened the new store and created the
        // group.
        match known {
            Some(stream) if !self.has_every_identity().await? => {
                Err(OpenError::DataLost { stream })
            }
            _ => Ok(self.adopt().await?),
        }
    }

    /// Whether each partition has an identity, of any layout.
    async fn has_every_identity(&self) -> Result<bool, RedisError> {
        for partition in self.partitions().all() {
            let exists = Command::new("EXISTS").key(partition.key(IDENTITY));
            if self.run(exists).await?.int()? != 1 {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

/// A server that answers `ERR` to the functions does not take them at any later attempt either. Any
/// other answer may pass, also one whose code this build does not know.
fn never_loads(error: RedisError) -> OpenError {
    if error.is(Code::Err) {
        return OpenError::Unfit(format!("it refuses to load our functions: {error}"));
    }
    error.into()
}

#[cfg(test)]
mod tests;
