//! Pressure from outside: logs that are not read, and crowds that take all connections.

use std::fs::OpenOptions;
use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use nix::fcntl::OFlag;
use stack::process::{Process, Reading};
use stack::wait::wait_until;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::Injector;
use crate::chaos::figures::Figure;
use crate::chaos::plan::Crowd;

/// The address of a crowd; the clients of the load come from another address.
const CROWD_ADDRESS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 7);
const IDLE_CLIENTS: usize = 3_000;
const UNREADING_CLIENTS: usize = 500;
/// The number of requests that an unreading client sends at once on each connection.
const UNREAD_ANSWERS: usize = 4;
/// The smallest buffer that the kernel allows, for clients that do not read.
const UNREAD_BUFFER: u32 = 4_096;
/// The longest wait for a connection. A client that is not accepted within it gives up.
const CONNECT_LIMIT: Duration = Duration::from_secs(1);
/// The longest wait until a process listens, on a busy machine too.
const LISTEN_LIMIT: Duration = Duration::from_secs(20);
/// The most bytes that a pipe holds.
const PIPE_BYTES: usize = 1024 * 1024;
const FILLER: &[u8] = b"a line without a reader\n";

impl Injector {
    /// Leaves the log of a process unread, with its pipe filled: already the next line that the
    /// process writes finds the pipe full.
    pub(super) async fn leave_unread(
        &self,
        name: &str,
        reading: Reading,
        time: Duration,
    ) -> Result<()> {
        let _turn = self.turn(name).await;
        let process = self.running(name).await?;
        self.history
            .note_fault(format!("log of {name} unread: {reading:?}"));
        process.set_reading(reading);
        let filled = fill_pipe(&process);
        sleep(time).await;
        process.set_reading(Reading::AtOnce);
        filled?;
        self.tally.count(Figure::UnreadLogs);
        Ok(())
    }

    /// Floods a process with connections. The crowd leaves after `time`, all at once.
    pub(super) async fn flood(&self, name: &str, crowd: Crowd, time: Duration) -> Result<()> {
        let _turn = self.turn(name).await;
        self.running(name).await?;
        let url = self.system.url(name);
        let address = url.strip_prefix("http://").context("an address")?.parse()?;
        // A process that has just started does not listen yet.
        let listens = || async { TcpStream::connect(address).await.is_ok() };
        wait_until(&format!("{name} to listen"), LISTEN_LIMIT, listens).await?;
        let clients = match crowd {
            Crowd::Idle => IDLE_CLIENTS,
            Crowd::Unreading => UNREADING_CLIENTS,
        };
        let mut connecting = JoinSet::new();
        for _ in 0..clients {
            connecting.spawn(timeout(CONNECT_LIMIT, connect(address, crowd)));
        }
        let connected = connecting.join_all().await.into_iter();
        let connected: Vec<TcpStream> = connected.filter_map(|made| made.ok()?.ok()).collect();
        let told = format!(
            "{} of {clients} {crowd:?} clients at {name}",
            connected.len()
        );
        self.history.note_fault(&told);
        ensure!(!connected.is_empty(), "{told}");
        sleep(time).await;
        drop(connected);
        self.tally.count(Figure::Floods);
        Ok(())
    }
}

async fn connect(address: SocketAddr, crowd: Crowd) -> Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    socket.bind((CROWD_ADDRESS, 0).into())?;
    if crowd == Crowd::Idle {
        return Ok(socket.connect(address).await?);
    }
    socket.set_recv_buffer_size(UNREAD_BUFFER)?;
    let mut client = socket.connect(address).await?;
    let request = format!("GET /docs HTTP/1.1\r\nHost: {address}\r\n\r\n");
    client
        .write_all(request.repeat(UNREAD_ANSWERS).as_bytes())
        .await?;
    Ok(client)
}

/// Writes into the output pipe of a process until the pipe is full.
fn fill_pipe(process: &Process) -> Result<()> {
    let path = format!("/proc/{}/fd/1", process.pid());
    let pipe = OpenOptions::new()
        .write(true)
        .custom_flags(OFlag::O_NONBLOCK.bits())
        .open(path);
    let mut pipe = pipe.context("the output of a process")?;
    for _ in 0..PIPE_BYTES / FILLER.len() {
        if pipe.write_all(FILLER).is_err() {
            break;
        }
    }
    Ok(())
}
