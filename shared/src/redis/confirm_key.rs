//! The key that chooses the node of a cluster which is asked to `WAIT`.

use fred::util::redis_keyslot;

use crate::redis::command::{Arg, Command};

/// The channel of the message before a `WAIT`; in a cluster, the prefix of the keys that are
/// written instead. No client subscribes to the channel or reads the keys.
pub(super) const MARK: &str = "confirm";

/// A key in the partition of a command to a cluster. The key chooses the node that is asked to
/// `WAIT`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct ConfirmKey(pub(super) String);

impl ConfirmKey {
    /// The key to write for the confirmation of a command. It has the tag of the command's first
    /// key.
    pub(super) fn of(command: &Command) -> Option<Self> {
        let slot = command.slot();
        let keys = command.args.iter().filter_map(Arg::as_str);
        let tags = keys.filter_map(|key| {
            let (tag, _) = key.split_once('{')?.1.split_once('}')?;
            Some(format!("{MARK}:{{{tag}}}"))
        });
        tags.into_iter()
            .find(|key| Some(redis_keyslot(key.as_bytes())) == slot)
            .map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cluster_is_asked_in_the_partition_of_the_command() {
        let call = Command::new("FCALL")
            .arg("f{9}")
            .arg(1)
            .key("identity:{3}")
            .arg("{4}");
        assert_eq!(
            ConfirmKey::of(&call),
            Some(ConfirmKey("confirm:{3}".to_owned()))
        );
        assert_eq!(ConfirmKey::of(&Command::new("GET").key("epoch")), None);
    }
}
