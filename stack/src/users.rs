//! The further rights of users in a store with partitions, replicas or a cluster.

use anyhow::{Context, Result};

use crate::operator::Operator;
use crate::redis::RedisServer;

/// The users of replicas and Sentinels, and the rights that both services need beside them.
pub(crate) const REPLICATION: &str = include_str!("../../deploy/acl/replication.acl");
/// The rights that both services need in a store with partitions.
pub(crate) const PARTITIONS: &str = include_str!("../../deploy/acl/partitions.acl");
/// The rights that both services need in a cluster.
pub(crate) const CLUSTER: &str = include_str!("../../deploy/acl/cluster.acl");

/// Lets both services use the partitions of a store that is one server.
pub async fn allow_partitions(server: &RedisServer) -> Result<()> {
    grant(&Operator::of(server)?, PARTITIONS).await
}

/// Lets both services wait for the replicas of a store.
pub async fn allow_replicas(server: &RedisServer) -> Result<()> {
    let services = REPLICATION
        .lines()
        .filter(|line| !line.contains("_PASSWORD@"));
    grant(
        &Operator::of(server)?,
        &services.collect::<Vec<_>>().join("\n"),
    )
    .await
}

/// Adds the rights in these lines, and saves them.
pub(crate) async fn grant(operator: &Operator, users: &str) -> Result<()> {
    for user in users.lines().filter_map(|line| line.strip_prefix("user ")) {
        let words: Vec<&str> = ["ACL", "SETUSER"]
            .into_iter()
            .chain(user.split(' '))
            .collect();
        let granted = operator.ask::<()>(&words).await;
        granted.with_context(|| format!("the rights of {:?}", user.split(' ').next()))?;
    }
    operator
        .ask::<()>(&["ACL", "SAVE"])
        .await
        .context("the rights of users cannot be kept")
}
