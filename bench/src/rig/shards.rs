//! The nodes of one store, and the node of each partition.

use std::collections::BTreeMap;
use std::sync::Arc;

use anyhow::{Result, ensure};
use shared::contract::event::Event;
use shared::store::partition::Partition;
use stack::redis::{Owner, RedisServer};

use crate::monitor::{Monitor, Told};
use crate::operator::Operator;

/// A store: at least one node, and the node of each partition.
pub(crate) struct Shards {
    store: Owner,
    nodes: Vec<Node>,
    homes: Vec<(Partition, usize)>,
}

struct Node {
    name: String,
    pid: u32,
    is_primary: bool,
    operator: Operator,
}

/// The resources that a node has used since its start.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Usage {
    pub(crate) name: String,
    pub(crate) is_primary: bool,
    /// Seconds of processor time.
    pub(crate) processor: f64,
    /// Bytes that were received and sent.
    pub(crate) network: u64,
    /// Bytes of the append-only file.
    pub(crate) file: u64,
    /// Connections of clients at this moment.
    pub(crate) connections: u64,
}

impl Shards {
    /// Connects to all nodes. `homes` has the number of the node of each partition.
    pub(super) fn connect(
        store: Owner,
        nodes: &[Arc<RedisServer>],
        homes: Vec<(Partition, usize)>,
    ) -> Result<Self> {
        let count = nodes.len();
        ensure!(
            homes.iter().all(|(_, home)| *home < count),
            "a partition on an unknown node"
        );
        let mut connected = Vec::with_capacity(count);
        for (number, server) in nodes.iter().enumerate() {
            let mut operator = Operator::connect(server)?;
            let is_primary = operator
                .info("replication")?
                .get("role")
                .is_some_and(|role| role == "master");
            let name = match count {
                1 => format!("{} redis", store.name()),
                _ => format!("{} redis {number}", store.name()),
            };
            connected.push(Node {
                name,
                pid: server.pid(),
                is_primary,
                operator,
            });
        }
        Ok(Self {
            store,
            nodes: connected,
            homes,
        })
    }

    /// A client of the first server. A store that is a single server has no other.
    pub(crate) fn operator(&self) -> &Operator {
        &self.nodes[0].operator
    }

    /// The same client, to send commands.
    pub(crate) fn operator_mut(&mut self) -> &mut Operator {
        &mut self.nodes[0].operator
    }

    /// The name of the service that owns the store.
    pub(crate) fn name(&self) -> &'static str {
        self.store.name()
    }

    /// Its processes by name.
    pub(super) fn processes(&self) -> impl Iterator<Item = (String, u32)> {
        self.nodes.iter().map(|node| (node.name.clone(), node.pid))
    }

    /// Changes a setting of all nodes.
    pub(super) fn configure(&mut self, name: &str, value: &str) -> Result<()> {
        self.nodes
            .iter_mut()
            .try_for_each(|node| node.operator.configure(name, value))
    }

    /// The resources that each node has used so far.
    pub(super) fn usage(&mut self) -> Result<Vec<Usage>> {
        let usage = |node: &mut Node| {
            let mut info = BTreeMap::new();
            for part in ["cpu", "stats", "persistence", "clients"] {
                info.append(&mut node.operator.info(part)?);
            }
            Ok(Usage::read(&node.name, node.is_primary, &info))
        };
        self.nodes.iter_mut().map(usage).collect()
    }

    /// Begins to listen to all primaries.
    pub(super) fn listen(&self) -> Result<Vec<Monitor>> {
        let primaries = self.nodes.iter().filter(|node| node.is_primary);
        primaries
            .map(|node| Monitor::begin(node.operator.url()))
            .collect()
    }

    /// The number of members of the index `due`, which has the orders that are not paid yet.
    pub(crate) fn due(&mut self) -> Result<u64> {
        self.total("ZCARD", "due")
    }

    /// Whether the group of an event has acknowledged every entry in all partitions.
    pub(super) fn is_settled<E: Event>(&mut self) -> Result<bool> {
        for (partition, home) in &self.homes {
            let stream = partition.key(E::STREAM);
            let lag = self.nodes[*home].operator.lag_at::<E>(&stream)?;
            if !lag.is_some_and(|lag| lag.is_settled()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The number of dead letters.
    pub(super) fn dead_letters(&mut self) -> Result<u64> {
        self.total("XLEN", "dead_letters")
    }

    /// The sum of a command's answers for a key of each partition.
    fn total(&mut self, command: &str, key: &str) -> Result<u64> {
        let mut total = 0;
        for (partition, home) in &self.homes {
            let operator = &mut self.nodes[*home].operator;
            total += operator.ask::<u64>(&[command, &partition.key(key)])?;
        }
        Ok(total)
    }
}

/// Ends all listeners, and returns the commands of inventory's and of payments' nodes.
pub(crate) fn heard(listeners: [Vec<Monitor>; 2]) -> Result<[Vec<Told>; 2]> {
    let mut told = [Vec::new(), Vec::new()];
    for (told, listeners) in told.iter_mut().zip(listeners) {
        for listener in listeners {
            told.append(&mut listener.end()?);
        }
    }
    Ok(told)
}

impl Usage {
    fn read(name: &str, is_primary: bool, info: &BTreeMap<String, String>) -> Self {
        let text = |name: &str| info.get(name).map_or("", String::as_str);
        let count = |name: &str| text(name).parse::<u64>().unwrap_or_default();
        let seconds = |name: &str| text(name).parse::<f64>().unwrap_or_default();
        Self {
            name: name.to_owned(),
            is_primary,
            processor: seconds("used_cpu_user") + seconds("used_cpu_sys"),
            network: count("total_net_input_bytes") + count("total_net_output_bytes"),
            file: count("aof_current_size"),
            connections: count("connected_clients"),
        }
    }

    /// The resources that were used since `before`. Connections are the present ones.
    pub(crate) fn since(&self, before: &Self) -> Self {
        Self {
            processor: self.processor - before.processor,
            network: self.network.saturating_sub(before.network),
            file: self.file.saturating_sub(before.file),
            ..self.clone()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_node_used_is_the_difference_of_what_it_says() {
        let info = |lines: &[(&str, &str)]| {
            let line = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
            Usage::read("node", true, &lines.iter().map(line).collect())
        };
        let before = info(&[("used_cpu_user", "1.5"), ("total_net_input_bytes", "100")]);
        let now = info(&[
            ("used_cpu_user", "2.0"),
            ("used_cpu_sys", "0.25"),
            ("total_net_input_bytes", "150"),
            ("total_net_output_bytes", "7"),
            ("aof_current_size", "30"),
            ("connected_clients", "9"),
        ]);
        let used = now.since(&before);
        assert!((used.processor - 0.75).abs() < 1e-9);
        assert_eq!((used.network, used.file, used.connections), (57, 30, 9));
    }
}
