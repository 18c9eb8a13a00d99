//! Permits for large bodies. Each connection may bring a body, so without a limit large bodies
//! could fill the memory. One network has only a share of the permits. Otherwise a client that
//! announces large bodies and sends nothing would keep all other clients from sending theirs.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The permits for large bodies of a process.
#[derive(Clone, Debug)]
pub(crate) struct LargeBodies {
    /// How many permits each network holds.
    held: Arc<Mutex<HashMap<IpAddr, usize>>>,
    /// Most permits of one network.
    share: usize,
}

/// The permit of one large body. Dropping it gives the permit back.
#[derive(Debug)]
pub(crate) struct LargeBody {
    bodies: LargeBodies,
    network: IpAddr,
}

/// Most large bodies in memory at once.
pub(crate) const MAX_LARGE_BODIES: usize = 32;

impl LargeBodies {
    /// Permits of which one network holds at most `share`.
    pub(crate) fn new(share: usize) -> Self {
        Self {
            held: Arc::default(),
            share,
        }
    }

    /// Takes a permit. `None` if no permit is left, or the network holds its share.
    pub(crate) fn enter(&self, network: IpAddr) -> Option<LargeBody> {
        let mut held = self.held();
        let all: usize = held.values().sum();
        let own = held.get(&network).copied().unwrap_or_default();
        if all >= MAX_LARGE_BODIES || own >= self.share {
            return None;
        }
        held.insert(network, own + 1);
        Some(LargeBody {
            bodies: self.clone(),
            network,
        })
    }

    fn held(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for LargeBody {
    fn drop(&mut self) {
        let mut held = self.bodies.held();
        if let Some(own) = held.get_mut(&self.network) {
            *own -= 1;
            if *own == 0 {
                held.remove(&self.network);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_its_share_and_all_networks_together_have_the_limit() {
        let bodies = LargeBodies::new(20);
        let [one, other] = ["10.0.0.1", "10.0.0.2"].map(|address| address.parse().unwrap());
        let mut first: Vec<_> = (0..20).map(|_| bodies.enter(one).unwrap()).collect();
        assert!(bodies.enter(one).is_none(), "the share is taken");
        let second: Vec<_> = (0..12).map(|_| bodies.enter(other).unwrap()).collect();
        assert!(bodies.enter(other).is_none(), "all permits are taken");
        first.pop();
        assert!(bodies.enter(other).is_some());
        drop((first, second));
        assert!(bodies.held().is_empty());
    }
}
