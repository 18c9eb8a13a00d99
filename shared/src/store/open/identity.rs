//! The identity of a store: its owner, its layout, and how its keys are spread.
//!
//! Each partition has an identity of four words, `<id> <service> <layout> <partitions>`. In a store
//! without partitions the last word is 0, and the key has no tag. The first builds wrote the id
//! alone, or the id and the number of partitions. Such an identity counts as layout 0.

use super::OpenError;
use crate::redis::{Code, Command, RedisError};
use crate::store::function::{IDENTITY, belongs};
use crate::store::partition::{Partition, Partitions};
use crate::store::{Layout, Store};

/// The state of a partition that this service may use.
pub(super) enum PartitionState {
    /// The partition has no identity.
    Missing,
    /// The partition has an older layout, which this build can migrate.
    Older(Identity),
    /// The partition has the identity and layout of this build.
    Current,
}

/// The parsed identity of a partition.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// The text as it was read.
    pub(super) text: String,
    /// The service and the layout; `None` in layout 0.
    named: Option<(String, u32)>,
    /// The number of partitions, 0 for a store without partitions; `None` where the text has no
    /// number.
    partitions: Option<u16>,
}

impl Identity {
    /// The text of an identity for this layout version and these partitions.
    pub(super) fn write(id: &str, layout: Layout, version: u32, partitions: Partitions) -> String {
        let count = partitions.count().unwrap_or(0);
        format!("{id}{}{count}", belongs(layout.service, version))
    }

    fn read(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let (named, partitions) = match (words.next()?, words.next(), words.next(), words.next()) {
            ("", ..) => return None,
            (_, None, ..) => (None, None),
            (_, Some(count), None, _) => (None, Some(count.parse().ok()?)),
            (_, Some(service), Some(layout), Some(count)) => (
                Some((service.to_owned(), layout.parse().ok()?)),
                Some(count.parse().ok()?),
            ),
            _ => return None,
        };
        Some(Self {
            text: text.to_owned(),
            named,
            partitions,
        })
    }

    /// The id alone, which never changes.
    pub(super) fn id(&self) -> &str {
        self.text.split(' ').next().unwrap_or_default()
    }

    /// The version of the layout.
    pub(super) fn version(&self) -> u32 {
        self.named.as_ref().map_or(0, |(_, layout)| *layout)
    }
}

impl Store {
    /// The text of an identity with this id, as this build writes it.
    pub fn identity_text(&self, id: &str) -> String {
        let layout = self.layout();
        Identity::write(id, layout, layout.version(), self.partitions())
    }

    /// The state of each partition, or why this process must never use this store.
    pub(super) async fn states(&self) -> Result<Vec<(Partition, PartitionState)>, OpenError> {
        let partitions = self.partitions();
        // Look where a process with the opposite setting would look: at partition 0 if this process
        // has no partitions, and at the key without a tag if it has some.
        let elsewhere = Partition::at(partitions.count().is_none().then_some(0));
        if let Some(identity) = self.read_identity(elsewhere).await? {
            self.confirm_service(&identity)?;
            let made = partitions
                .count()
                .map_or(identity.partitions.unwrap_or(1), |_| 0);
            return Err(self.other_partitions(made));
        }
        let mut states = Vec::new();
        for partition in partitions.all() {
            states.push((partition, self.state(partition).await?));
        }
        Ok(states)
    }

    /// The state of one partition.
    pub(super) async fn state(&self, partition: Partition) -> Result<PartitionState, OpenError> {
        let Some(identity) = self.read_identity(partition).await? else {
            return Ok(PartitionState::Missing);
        };
        self.confirm_service(&identity)?;
        match identity.partitions {
            Some(made) if made != self.partitions().count().unwrap_or(0) => {
                return Err(self.other_partitions(made));
            }
            _ => {}
        }
        let (known, oldest) = (self.layout().version(), self.layout().oldest);
        match identity.version() {
            layout if layout > known => Err(OpenError::NewerLayout { layout, known }),
            layout if layout < oldest => Err(OpenError::LayoutTooOld { layout, oldest }),
            layout if layout == known => Ok(PartitionState::Current),
            _ => Ok(PartitionState::Older(identity)),
        }
    }

    async fn read_identity(&self, partition: Partition) -> Result<Option<Identity>, OpenError> {
        let key = partition.key(IDENTITY);
        let foreign = || OpenError::Foreign { key: key.clone() };
        let identity = match self.run(Command::new("GET").key(key.as_str())).await {
            Err(error) if error.is(Code::WrongType) => return Err(foreign()),
            identity => identity?,
        };
        if identity.is_null() {
            return Ok(None);
        }
        let text = identity.text().map_err(RedisError::from)?;
        Identity::read(&text).map(Some).ok_or_else(foreign)
    }

    fn confirm_service(&self, identity: &Identity) -> Result<(), OpenError> {
        let service = self.layout().service;
        match &identity.named {
            Some((owner, _)) if owner != service => Err(OpenError::OtherService {
                owner: owner.clone(),
                service,
            }),
            _ => Ok(()),
        }
    }

    fn other_partitions(&self, made: u16) -> OpenError {
        OpenError::OtherPartitions {
            made: describe(made),
            wanted: describe(self.partitions().count().unwrap_or(0)),
        }
    }
}

/// The number of partitions of a store, as the setting `PARTITIONS` writes it.
fn describe(count: u16) -> String {
    match count {
        0 => "without PARTITIONS".to_owned(),
        count => format!("with PARTITIONS={count}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAYOUT: Layout = Layout {
        service: "payments",
        oldest: 7,
        steps: &[],
    };

    #[test]
    fn an_identity_reads_back_what_it_says() {
        let text = Identity::write("an-id", LAYOUT, 7, Partitions::NONE);
        assert_eq!(text, "an-id payments 7 0");
        let identity = Identity::read(&text).unwrap();
        assert_eq!((identity.id(), identity.version()), ("an-id", 7));
        assert_eq!(identity.named, Some(("payments".to_owned(), 7)));
        assert_eq!(identity.partitions, Some(0));
    }

    #[test]
    fn an_identity_of_an_older_build_has_layout_0_and_names_no_service() {
        for (text, partitions) in [("an-id", None), ("an-id 16", Some(16))] {
            let identity = Identity::read(text).unwrap();
            assert_eq!((identity.id(), identity.version()), ("an-id", 0));
            assert_eq!(
                (identity.named.is_some(), identity.partitions),
                (false, partitions)
            );
        }
    }

    #[test]
    fn what_another_program_wrote_is_no_identity() {
        for text in [
            "",
            " ",
            "a b",
            "a b c",
            "a b c d",
            "a payments 1",
            "a payments -1 0",
        ] {
            assert_eq!(Identity::read(text), None, "{text:?}");
        }
    }
}
