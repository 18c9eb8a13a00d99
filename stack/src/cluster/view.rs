//! What one node of a cluster knows about all nodes: the answer of `CLUSTER NODES`.

/// All nodes, as one node sees them.
pub(super) struct View(Vec<Seen>);

/// One node.
#[derive(Clone)]
pub(super) struct Seen {
    pub(super) id: String,
    pub(super) port: u16,
    /// The port for the other nodes.
    pub(super) bus: u16,
    is_myself: bool,
    /// Whether the introduction of the node is not complete yet.
    is_stranger: bool,
    ranges: Vec<(u16, u16)>,
}

impl View {
    pub(super) fn parse(text: &str) -> Self {
        Self(text.lines().filter_map(Seen::parse).collect())
    }

    pub(super) fn myself(&self) -> Option<&Seen> {
        self.0.iter().find(|seen| seen.is_myself)
    }

    /// The number of nodes whose introduction is complete.
    pub(super) fn acquainted(&self) -> usize {
        self.0.iter().filter(|seen| !seen.is_stranger).count()
    }

    /// The port of the primary that has a slot.
    pub(super) fn owner_of(&self, slot: u16) -> Option<u16> {
        let has = |seen: &&Seen| seen.ranges.iter().any(|(a, b)| (*a..=*b).contains(&slot));
        self.0.iter().find(has).map(|seen| seen.port)
    }
}

impl Seen {
    /// `<id> <ip>:<port>@<bus>[,...] <flags> <primary> <ping> <pong> <epoch> <link> <slots>...`
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let id = words.next()?.to_owned();
        let (_, ports) = words.next()?.split_once(':')?;
        let (port, bus) = ports.split(',').next()?.split_once('@')?;
        let flags = words.next()?;
        let range = |word: &str| {
            let (first, last) = word.split_once('-').unwrap_or((word, word));
            Some((first.parse().ok()?, last.parse().ok()?))
        };
        Some(Self {
            id,
            port: port.parse().ok()?,
            bus: bus.parse().ok()?,
            is_myself: flags.contains("myself"),
            is_stranger: flags.contains("handshake"),
            // A slot on the move stands in brackets, so it does not parse as a number.
            ranges: words.skip(5).filter_map(range).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_view_tells_who_has_a_slot() {
        let view = View::parse(
            "a1 127.0.0.1:7000@17000 myself,master - 0 0 1 connected 0-99 200 [99->-b2]\n\
             b2 127.0.0.1:7001@17001,host master - 0 0 2 connected 100-199\n\
             c3 127.0.0.1:7002@17002 handshake - 0 0 0 disconnected\n",
        );
        assert_eq!(view.owner_of(99), Some(7000));
        assert_eq!(view.owner_of(150), Some(7001));
        assert_eq!((view.owner_of(200), view.owner_of(201)), (Some(7000), None));
        assert_eq!(
            view.myself().map(|me| (me.id.as_str(), me.bus)),
            Some(("a1", 17000))
        );
        assert_eq!(view.acquainted(), 2);
    }
}
