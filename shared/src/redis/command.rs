//! Commands, and the node of a cluster that receives each of them.

use fred::types::Value;
use fred::util::redis_keyslot;

/// An argument of a command: a text, bytes or a whole number.
pub type Arg = Value;

/// How the node of a cluster that receives a command is found.
#[derive(Clone, Copy, Debug)]
enum Route {
    /// Any node.
    Any,
    /// The node that owns the key which is the argument of this number.
    Key(usize),
    /// The node that owns this slot.
    Slot(u16),
}

/// A command to a Redis server.
#[derive(Clone, Debug)]
pub struct Command {
    pub(super) name: &'static str,
    route: Route,
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
            route: Route::Any,
            args,
            is_attempt: false,
        }
    }

    /// Adds a key. The first one decides which node of a cluster receives the command.
    #[must_use]
    pub fn key(mut self, key: impl Into<Arg>) -> Self {
        if matches!(self.route, Route::Any) {
            self.route = Route::Key(self.args.len());
        }
        self.arg(key)
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
        self.route = Route::Slot(redis_keyslot(key.as_bytes()));
        self
    }

    /// The slot whose node receives the command; `None` if any node may. Only a cluster has slots,
    /// so only for a cluster is the slot computed.
    pub(super) fn slot(&self) -> Option<u16> {
        match self.route {
            Route::Any => None,
            Route::Key(index) => self.args.get(index)?.as_bytes().map(redis_keyslot),
            Route::Slot(slot) => Some(slot),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_goes_to_the_node_of_its_first_key() {
        let slot = Some(redis_keyslot(b"3"));
        let command = Command::new("FCALL")
            .arg("place_orders_payments_0123456789ab")
            .arg(2)
            .key("identity:{3}")
            .key("due:{4}");
        assert_eq!(command.slot(), slot);
        assert_eq!(Command::new("TIME").to_owner_of("due:{3}").slot(), slot);
        assert_eq!(Command::new("PING").arg("3").slot(), None);
    }
}
