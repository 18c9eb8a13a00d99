//! A port that can be closed: it passes connections on to another port.

use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::time::Duration;

use anyhow::{Context, Result};
use stack::locked;
use stack::wait::wait_for;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::sleep;

/// The largest number of connections. Further ones wait in the kernel until others have ended.
const MAX_CONNECTIONS: usize = 1_024;
/// The longest wait for the port, which is reserved for this relay.
const BIND_LIMIT: Duration = Duration::from_secs(10);
/// The pause after a connection could not be accepted.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

/// Passes every connection to one port on to another port of 127.0.0.1, until it is closed or
/// dropped.
pub struct Relay {
    port: u16,
    upstream: u16,
    task: Mutex<Option<JoinHandle<()>>>,
}

impl Relay {
    /// Listens on `port`.
    pub async fn open(port: u16, upstream: u16) -> Result<Self> {
        let relay = Self {
            port,
            upstream,
            task: Mutex::default(),
        };
        relay.reopen().await?;
        Ok(relay)
    }

    /// Cuts all connections. New ones are refused until it is opened again.
    pub fn close(&self) {
        if let Some(task) = &*locked(&self.task) {
            task.abort();
        }
    }

    /// Cuts all connections, and listens again.
    pub async fn reopen(&self) -> Result<()> {
        self.close();
        let closed = locked(&self.task).take();
        if let Some(task) = closed {
            // The task was aborted. It has closed its port when it has ended.
            let _ = task.await;
        }
        // A test that looks for free ports may hold this one for a moment.
        let address = (Ipv4Addr::LOCALHOST, self.port);
        let listener = wait_for("a port to listen on", BIND_LIMIT, || async move {
            TcpListener::bind(address).await.ok()
        });
        let listener = listener.await;
        let listener = listener.with_context(|| format!("cannot listen on {}", self.port))?;
        let task = tokio::spawn(pass_on(listener, self.upstream));
        *locked(&self.task) = Some(task);
        Ok(())
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.close();
    }
}

/// Accepts connections until the task is aborted, which cuts all of them.
async fn pass_on(listener: TcpListener, upstream: u16) {
    let mut connections = JoinSet::new();
    loop {
        while connections.len() >= MAX_CONNECTIONS {
            connections.join_next().await;
        }
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((client, _)) => {
                    connections.spawn(carry(client, upstream));
                }
                // The client has gone, or this process has no file left for a while.
                Err(_) => sleep(ACCEPT_PAUSE).await,
            },
            Some(_) = connections.join_next() => {}
        }
    }
}

/// Carries one connection to its end. The other side sees a server that closes the connection.
async fn carry(mut client: TcpStream, upstream: u16) {
    if let Ok(mut server) = TcpStream::connect((Ipv4Addr::LOCALHOST, upstream)).await {
        // Small messages would otherwise wait for the acknowledgement of the last.
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let _ = copy_bidirectional(&mut client, &mut server).await;
    }
}
