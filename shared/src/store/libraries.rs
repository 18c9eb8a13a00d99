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
    /// are gone. Migrates what a build without layouts wrote meanwhile.
    pub async fn tend_libraries(&self) -> Result<(), RedisError> {
        // A server removes a library for all of its partitions at once, so each partition is looked
        // at before any library is removed.
        let mut looks = Vec::new();
        for partition in self.partitions().all() {
            looks.push((partition, self.other_libraries(partition).await?));
        }
        let mut builds = Vec::new();
        for (partition, others) in looks {
            let gone = self.remove_unused(partition, &others).await?;
            builds.push((partition, others, gone));
        }
        for (partition, others, gone) in builds {
            self.mend(partition, others.iter().chain(&gone)).await?;
            self.forget(partition, gone).await?;
        }
        Ok(())
    }

    /// Migrates what builds without layouts wrote after the store was migrated, where they may
    /// still be at work.
    pub async fn mend_older_writes(&self) -> Result<(), RedisError> {
        for partition in self.partitions().all() {
            let others = self.other_libraries(partition).await?;
            let seen = self.seen_libraries(partition).await?;
            self.mend(partition, others.iter().chain(seen.keys()))
                .await?;
        }
        Ok(())
    }

    /// A build that knows no layout ignores the identity and goes on writing in its old way. While
    /// its library is there, and once after that, the first migration step is taken again.
    async fn mend(
        &self,
        partition: Partition,
        mut others: impl Iterator<Item = &String>,
    ) -> Result<(), RedisError> {
        let service = self.layout().service;
        let is_old = |name: &String| build_of(service, name).is_some_and(Build::knows_no_layout);
        match self.layout().steps.first() {
            Some(step) if others.any(is_old) => step(self.clone(), partition).await,
            _ => Ok(()),
        }
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
            if name != self.library() && build_of(service, &name).is_some() {
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

    /// Removes the libraries that no build uses, and answers their names. The names stay in the
    /// store until the writes of those builds are migrated. If this process dies before, the next
    /// look migrates them.
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

/// A build, by the name of its library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Build {
    /// `<service>_<hash>`.
    Hashed,
    /// `<service>_v<number>`: a build from before layouts.
    Numbered,
}

impl Build {
    fn knows_no_layout(self) -> bool {
        self == Self::Numbered
    }
}

/// The kind of build of the service that has a library of this name; `None` for the library of
/// another program.
fn build_of(service: &str, name: &str) -> Option<Build> {
    let rest = name.strip_prefix(service)?.strip_prefix('_')?;
    let is_hash = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    if rest.len() == HASH_DIGITS && rest.bytes().all(is_hash) {
        return Some(Build::Hashed);
    }
    let number = rest.strip_prefix('v')?;
    number.parse::<u32>().is_ok().then_some(Build::Numbered)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_libraries_of_builds_of_the_service_are_known() {
        let build = |name| build_of("payments", name);
        assert_eq!(build("payments_0123456789ab"), Some(Build::Hashed));
        assert_eq!(build("payments_v1"), Some(Build::Numbered));
        for name in [
            "payments",
            "payments_",
            "payments_v",
            "payments_vx",
            "payments_reports",
            "payments_0123456789AB",
            "inventory_0123456789ab",
            "mypayments_v1",
        ] {
            assert_eq!(build(name), None, "{name}");
        }
    }
}
