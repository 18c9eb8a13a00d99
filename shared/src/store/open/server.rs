//! Whether a server is fit to keep the data of a service.

use super::OpenError;
use crate::redis::info_field;
use crate::store::Store;
use crate::store::partition::Partition;

/// The oldest Redis with functions and with the lag of streams, by the version it reports.
const MIN_REDIS_VERSION: (u32, u32) = (7, 0);
/// The oldest Valkey, by its own version. Valkey reports a Redis-compatible version as well.
const MIN_VALKEY_VERSION: (u32, u32) = (7, 2);

/// Whether the data of a server survives its restart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keeping {
    /// The server keeps an append-only file.
    File,
    /// The server keeps no append-only file.
    Nothing,
}

impl Store {
    /// Checks the server that owns `partition`.
    pub(super) async fn check_server(&self, partition: Partition) -> Result<Keeping, OpenError> {
        let info = self.info(partition, "everything").await?;
        let (product, minimum, version) = match info_field(&info, "valkey_version") {
            Some(version) => ("Valkey", MIN_VALKEY_VERSION, version),
            None => (
                "Redis",
                MIN_REDIS_VERSION,
                info_field(&info, "redis_version").unwrap_or(""),
            ),
        };
        if parse_version(version) < Some(minimum) {
            let (major, minor) = minimum;
            return Err(OpenError::Unfit(format!(
                "{product} {version}, need {major}.{minor} or newer"
            )));
        }
        match info_field(&info, "maxmemory_policy") {
            Some("noeviction") => {}
            policy => {
                let policy = policy.unwrap_or("unknown");
                return Err(OpenError::Unfit(format!(
                    "maxmemory-policy is {policy}, need noeviction"
                )));
            }
        }
        // A client without cluster support reaches only the keys of this node. The other nodes have
        // most keys, and this node refuses them for ever.
        if info_field(&info, "cluster_enabled") == Some("1") && !self.is_cluster() {
            return Err(OpenError::Unfit(
                "it is a node of a cluster, need a URL that begins with redis-cluster://"
                    .to_owned(),
            ));
        }
        let keeps_file = info_field(&info, "aof_enabled") == Some("1");
        Ok(if keeps_file {
            Keeping::File
        } else {
            Keeping::Nothing
        })
    }
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split('.').map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_by_number() {
        assert!(parse_version("6.2.14") < Some(MIN_REDIS_VERSION));
        assert!(parse_version("10.0.0") > Some(MIN_REDIS_VERSION));
        assert!(parse_version("7.0.15") >= Some(MIN_REDIS_VERSION));
        assert!(parse_version("garbage") < Some(MIN_REDIS_VERSION));
    }

    #[test]
    fn a_field_of_info_is_found_by_its_whole_name() {
        let info = "# Server\r\nredis_version:7.0.15\r\nrun_id:abc\r\n";
        assert_eq!(info_field(info, "run_id"), Some("abc"));
        assert_eq!(info_field(info, "run"), None);
    }
}
