//! Commands, and the node of a cluster that receives each of them.

use fred::types::{ClusterHash, Value};

/// An argument of a command: a text, bytes or a whole number.
pub type Arg = Value;

/// A command to a Redis server.
#[derive(Clone, Debug)]
pub struct Command {
    pub(super) name: &'static str,
    pub(super) route: ClusterHash,
    pub(super) args: Vec<Arg>,
    /// The caller acts on a refusal, so a refusal is not logged.
    pub(super) is_attempt: bool,
}

impl Command {
    /// A command that belongs to no key.
    pub fn new(name: &'static str) -> Self {
        let args = Vec::with_capacity(8);
        Self {
            name,
            route: ClusterHash::Random,
            args,
            is_attempt: false,
        }
    }

    /// Adds a key. The first one decides which node of a cluster receives the command.
    #[must_use]
    pub fn key(mut self, key: impl Into<Arg>) -> Self {
        let key = key.into();
        if let (ClusterHash::Random, Some(bytes)) = (&self.route, key.as_bytes()) {
            self.route = route_of(bytes);
        }
        self.args.push(key);
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<Arg>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<Arg>>(mut self, args: impl IntoIterator<Item = A>) -> Self {
        self.args.extend(args.into_iter().map(Into::into));
        self
    }

    /// Says that the caller acts on a refusal, so that a refusal is not logged.
    #[must_use]
    pub fn as_attempt(self) -> Self {
        Self {
            is_attempt: true,
            ..self
        }
    }

    /// Sends the command to the node that owns `key`. The key is no argument of the command: this
    /// is for commands about the node itself.
    #[must_use]
    pub fn to_owner_of(mut self, key: &str) -> Self {
        self.route = route_of(key.as_bytes());
        self
    }
}

/// The route to the node that owns a key. It is computed here, because `fred` ignores any other
/// kind of route for a custom command.
pub(super) fn route_of(key: &[u8]) -> ClusterHash {
    ClusterHash::Custom(fred::util::redis_keyslot(key))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_goes_to_the_node_of_its_first_key() {
        let slot = route_of(b"3");
        let command = Command::new("FCALL")
            .arg("place_orders_payments_0123456789ab")
            .arg(2)
            .key("identity:{3}")
            .key("due:{4}");
        assert_eq!(command.route, slot);
        assert_eq!(Command::new("TIME").to_owner_of("due:{3}").route, slot);
        assert_eq!(Command::new("PING").route, ClusterHash::Random);
    }
}
