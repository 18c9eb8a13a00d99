//! Why a store cannot be used, and what a person can do about it.

use crate::redis::RedisError;

/// Why a store cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The store or the witness failed. A later attempt may succeed.
    #[error(transparent)]
    Redis(#[from] RedisError),
    /// The store has no identity, although the stream shows that it once had data.
    #[error(
        "this store has lost its data: it has no identity, yet the stream {stream} knows this \
         service. Restore its files from a backup, or accept the loss with the verb adopt-store"
    )]
    DataLost {
        /// The stream that shows the loss.
        stream: String,
    },
    /// The keys lie elsewhere than this process would look. Only a person can change that.
    #[error("this store was made {made}, not {wanted}, and cannot be changed")]
    OtherPartitions {
        /// How the store was made.
        made: String,
        /// What the settings of this process say.
        wanted: String,
    },
    /// The other service owns this store. Only a person can change that.
    #[error(
        "this store belongs to {owner}, not to {service}: give each service a store of its own \
         (the settings that end in _REDIS_URL), which may be two databases of one server"
    )]
    OtherService {
        /// The service that owns it.
        owner: String,
        /// This service.
        service: &'static str,
    },
    /// A newer build has migrated the store.
    #[error(
        "this store has layout {layout}, and this build knows layouts up to {known} only: start a \
         newer build, or restore a backup from before the store was migrated"
    )]
    NewerLayout {
        /// The layout of the store.
        layout: u32,
        /// The newest layout that this build knows.
        known: u32,
    },
    /// An older build wrote the store, and this build cannot migrate it.
    #[error(
        "this store has layout {layout}, and this build knows layouts from {oldest} on: start the \
         build that wrote it, or give each service an empty store (the settings that end in \
         _REDIS_URL)"
    )]
    LayoutTooOld {
        /// The layout of the store; 0 where its identity names none.
        layout: u32,
        /// The oldest layout that this build can migrate.
        oldest: u32,
    },
    /// An older build left the store, and no process of this build has migrated it yet.
    #[error(
        "this store has an older layout than this build writes: start `serve` or `consume` of this \
         build first, which migrates the store"
    )]
    OlderLayout,
    /// The store has no identity.
    #[error("this store is empty, or has lost its data: it has no identity")]
    NoIdentity,
    /// Another program uses the database.
    #[error(
        "the key {key} is not what this service writes, so another program uses this database: \
         name an empty one, such as another number behind the port in redis://host:port/number"
    )]
    Foreign {
        /// The key that another program wrote.
        key: String,
    },
    /// The server is not fit to keep data. Only a person can change that.
    #[error("the Redis server cannot be used: {0}")]
    Unfit(String),
}

impl OpenError {
    /// Whether opening gives up: no later attempt of this process can succeed.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Redis(_) | Self::DataLost { .. })
    }
}
