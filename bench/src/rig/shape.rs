//! The shape of a system: its topology, partitions and processes.

use std::num::NonZeroU16;

use shared::store::partition::Partitions;
use stack::topology::Topology;

/// The shape of a system.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    /// The name of the shape in figures.
    pub(crate) name: &'static str,
    /// The servers of each store.
    pub(crate) topology: Topology,
    /// The number of partitions of each store; 0: its keys carry no partition.
    pub(crate) partitions: u16,
    /// The number of processes of each role.
    pub(crate) replicas: usize,
    /// The number of replicas of a store that confirm each write.
    pub(crate) acks: u8,
}

impl Shape {
    /// One store for each service, and one process of each role.
    pub(crate) const ONE: Self = Self {
        name: "one",
        topology: Topology::Single,
        partitions: 0,
        replicas: 1,
        acks: 0,
    };

    /// The settings of this shape, with orders that are paid at once.
    pub(super) fn settings(&self) -> Vec<(&'static str, String)> {
        let always = [
            ("COMPLETION_DELAY", "0".to_owned()),
            ("REPLICA_ACKS", self.acks.to_string()),
            // On a busy machine replicas answer late, and a refusal would end the measurement.
            ("REPLICA_ACK_TIMEOUT", "500ms".to_owned()),
        ];
        let partitions = (self.partitions > 0).then(|| ("PARTITIONS", self.partitions.to_string()));
        always.into_iter().chain(partitions).collect()
    }

    pub(super) fn partitions(&self) -> Partitions {
        NonZeroU16::new(self.partitions).map_or(Partitions::NONE, Partitions::new)
    }
}
