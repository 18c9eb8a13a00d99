//! The function libraries in a store: which builds are at work, and the removal of unused
//! libraries.
//!
//! Each build has its own library (see [`crate::store::function`]), so each upgrade leaves one
//! behind. Every process records every [`LOOK_INTERVAL`] that the library of its build is in use. A
//! library without such a record for [`UNUSED_AFTER`] is removed. A clock that jumped may remove a
//! library that is in use. That does no harm: the next call loads the library again and is
//! repeated.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::redis::{Code, Command, RedisError};
use crate::store::Store;
use crate::store::function::HASH_DIGITS;
use crate::store::partition::Partition;

/// Hash from the name of a library to the time at which it was last recorded as in use, in
/// milliseconds on the clock of the store.
const LIBRARIES: &str = "libraries";
/// Pause between two looks.
pub const LOOK_INTERVAL: Duration = Duration::from_mins(10);
/// Time without use after which the build of a library counts as gone.
pub const UNUSED_AFTER: Duration = Duration::from_hours(1);
/// The most libraries of other builds that one look acts on, for each partition.
const MAX_OTHERS: usize = 100;

impl Store {
    /// Records that the library of this build is in use, and removes the libraries of builds that
    /// are gone.
    pub async fn tend_libraries(&self) -> Result<(), RedisError> {
        for partition in self.partitions().all() {
            let others = self.other_libraries(partition).await?;
            let gone = self.remove_unused(partition, &others).await?;
            self.forget(partition, gone).await?;
        }
        Ok(())
    }

    /// The libraries of other builds of this service on the node that owns `partition`.
    async fn other_libraries(&self, partition: Partition) -> Result<Vec<String>, RedisError> {
        let service = self.layout().service;
        let list = Command::new("FUNCTION")
            .args(["LIST", "LIBRARYNAME"])
            .arg(format!("{service}_*"));
        let mut names = Vec::new();
        for library in self
            .run(list.to_owner_of(&partition.key(LIBRARIES)))
            .await?
            .list()?
        {
            let name = library.field("library_name")?.text()?;
            if name != self.library() && is_of_build(service, &name) {
                names.push(name);
            }
        }
        names.truncate(MAX_OTHERS);
        Ok(names)
    }

    /// The time at which the library of each build was last recorded as in use.
    async fn seen_libraries(
        &self,
        partition: Partition,
    ) -> Result<BTreeMap<String, u64>, RedisError> {
        let seen = Command::new("HGETALL").key(partition.key(LIBRARIES));
        let seen = self.run(seen).await?.map()?.into_iter();
        Ok(seen
            .filter_map(|(name, at)| Some((name, at.unsigned().ok()?)))
            .collect())
    }

    /// Removes the libraries that no build uses. Answers their names, and those that are recorded but
    /// not loaded: a server has one library for all of its partitions.
    async fn remove_unused(
        &self,
        partition: Partition,
        others: &[String],
    ) -> Result<Vec<String>, RedisError> {
        let now_ms = self.now(partition).await?.as_millis();
        let mut seen = self.seen_libraries(partition).await?;
        let mut set = Command::new("HSET").key(partition.key(LIBRARIES));
        set = set.arg(self.library()).arg(now_ms.to_string());
        seen.remove(self.library());
        let mut gone = Vec::new();
        for name in others {
            match seen.remove(name).map(|at| now_ms.checked_sub(at)) {
                Some(Some(unused_ms)) if u128::from(unused_ms) > UNUSED_AFTER.as_millis() => {
                    self.delete_library(partition, name).await?;
                    gone.push(name.clone());
                }
                Some(Some(_)) => {}
                // The library is new to this store, or the clock of the store went back.
                _ => set = set.arg(name.as_str()).arg(now_ms.to_string()),
            }
        }
        self.run(set).await?;
        gone.extend(seen.into_keys());
        Ok(gone)
    }

    async fn forget(&self, partition: Partition, gone: Vec<String>) -> Result<(), RedisError> {
        if gone.is_empty() {
            return Ok(());
        }
        let forget = Command::new("HDEL")
            .key(partition.key(LIBRARIES))
            .args(gone);
        self.run(forget).await.map(drop)
    }

    async fn delete_library(&self, partition: Partition, name: &str) -> Result<(), RedisError> {
        let delete = Command::new("FUNCTION").arg("DELETE").arg(name);
        match self
            .run(delete.to_owner_of(&partition.key(LIBRARIES)))
            .await
        {
            // Another process removed the library, or an earlier partition of the same node did.
            Err(error) if error.is(Code::NoSuchLibrary) => return Ok(()),
            deleted => deleted?,
        };
        tracing::info!(
            library = name,
            "no build uses these functions any more: they are removed"
        );
        Ok(())
    }
}

/// Whether a library has the name that a build of the service gives it: `<service>_<hash>`.
fn is_of_build(service: &str, name: &str) -> bool {
    let hash = name
        .strip_prefix(service)
        .and_then(|rest| rest.strip_prefix('_'));
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    hash.is_some_and(|hash| hash.len() == HASH_DIGITS && hash.bytes().all(is_digit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_libraries_of_builds_of_the_service_are_known() {
        assert!(is_of_build("payments", "payments_0123456789ab"));
        for name in [
            "payments",
            "payments_",
            "payments_v1",
            "payments_reports",
            "payments_0123456789AB",
            "inventory_0123456789ab",
            "mypayments_0123456789ab",
        ] {
            assert!(!is_of_build("payments", name), "{name}");
        }
    }
}
