//! The shapes of the system that are measured.

use stack::topology::Topology;

use crate::rig::Shape;

/// The names of the shapes that a quick run measures.
pub(super) const QUICK: [&str; 4] = ["one", "partitions16", "cluster16", "replica_acks1"];

/// All shapes. The first one is compared with the others.
pub(super) const SHAPES: [Shape; 11] = [
    Shape::ONE,
    Shape {
        name: "partitions4",
        partitions: 4,
        ..Shape::ONE
    },
    Shape {
        name: "partitions16",
        partitions: 16,
        ..Shape::ONE
    },
    Shape {
        name: "processes2",
        replicas: 2,
        ..Shape::ONE
    },
    Shape {
        name: "processes3",
        replicas: 3,
        ..Shape::ONE
    },
    Shape {
        name: "partitions16_processes2",
        partitions: 16,
        replicas: 2,
        ..Shape::ONE
    },
    Shape {
        name: "partitions16_processes3",
        partitions: 16,
        replicas: 3,
        ..Shape::ONE
    },
    Shape {
        name: "replica_acks0",
        topology: Topology::Replicated { replicas: 1 },
        ..Shape::ONE
    },
    Shape {
        name: "replica_acks1",
        topology: Topology::Replicated { replicas: 1 },
        acks: 1,
        ..Shape::ONE
    },
    Shape {
        name: "cluster16",
        topology: Topology::CLUSTER,
        partitions: 16,
        ..Shape::ONE
    },
    Shape {
        name: "cluster16_acks1",
        topology: Topology::CLUSTER,
        partitions: 16,
        acks: 1,
        ..Shape::ONE
    },
];
