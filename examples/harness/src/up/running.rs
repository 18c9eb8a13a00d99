//! The processes of a run: servers and members of the example. Waits for them, restarts and stops
//! them.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Result;
use stack::foreground::{Revival, Stop};
use stack::health::{self, Member};
use stack::locked;
use stack::note::note;
use tokio::time::{Instant, sleep};

use super::server::Server;

/// The limit for the members to stop. They are meant to end within 5 s.
const DRAIN_LIMIT: Duration = Duration::from_secs(10);
/// The limit of a start, which includes migrations.
const READY_LIMIT: Duration = Duration::from_mins(1);
/// The pause between two looks at the processes.
const WATCH_INTERVAL: Duration = Duration::from_millis(50);

/// The running processes. A member is added when it starts, and a server once it answers. A server
/// that is still starting ends with the future that starts it.
#[derive(Default)]
pub(super) struct Running {
    servers: Mutex<Vec<Arc<Server>>>,
    members: Mutex<Vec<Member>>,
}

impl Running {
    pub(super) fn add_server(&self, server: Arc<Server>) {
        locked(&self.servers).push(server);
    }

    pub(super) fn add_member(&self, member: Member) {
        locked(&self.members).push(member);
    }

    fn members(&self) -> Vec<Member> {
        locked(&self.members).clone()
    }

    /// Waits until all members are ready.
    pub(super) async fn wait_ready(&self) -> Result<()> {
        health::wait_ready(&self.members(), READY_LIMIT).await
    }

    /// Restarts each server that ends, and each member that ends if `whole` says that all members
    /// were ready once. Returns when a process would end again after every start, and answers why.
    pub(super) async fn keep(&self, whole: bool) -> String {
        let mut revival = Revival::default();
        loop {
            let servers = locked(&self.servers).clone();
            for server in servers {
                if server.forgets() && server.process().exit().is_some() {
                    let name = server.process().name();
                    return format!("`{name}` has ended, and its messages are gone");
                }
                if let Some(story) = revival.look(server.process(), server.dir()).await {
                    return story;
                }
            }
            for member in self.members().into_iter().filter(|_| whole) {
                if let Some(story) = revival.look(&member.process, None).await {
                    return story;
                }
            }
            sleep(WATCH_INTERVAL).await;
        }
    }
}

impl Stop for Running {
    /// Stops the members first, all at the same time. The servers run until the members have
    /// drained.
    async fn stop(&self) {
        let members = self.members();
        for member in &members {
            member.process.terminate();
        }
        let deadline = Instant::now() + DRAIN_LIMIT;
        for member in &members {
            let left = deadline.saturating_duration_since(Instant::now());
            if member.process.wait(left).await.is_err() {
                member.process.kill();
            }
        }
        let servers = locked(&self.servers).clone();
        for server in servers {
            if server.stop().await.is_err() {
                let name = server.process().name();
                note(&format!("`{name}` did not stop in time and was killed"));
            }
        }
    }

    fn kill(&self) {
        for member in self.members() {
            member.process.kill();
        }
        for server in &*locked(&self.servers) {
            server.process().kill();
        }
    }
}
