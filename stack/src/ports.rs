//! The ports of a system: the six fixed ones of run-all, and free ones for tests.

use std::collections::HashSet;
use std::fs;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::Path;

use anyhow::{Context, Result, bail};

/// The ports of tests, which lie below the range for outgoing connections of every system. Within
/// that range, the kernel could give a reconnecting client the port of a stopped server as its own.
/// The client would then connect to itself, and the server could not start again.
const TEST_PORTS: std::ops::Range<u16> = 20_000..32_000;
const ATTEMPTS: usize = 200;

/// A free port, kept free for its owner while this value lives.
#[derive(Debug)]
pub struct Port {
    number: u16,
    /// The reservation is the UDP port of the same number. No process here serves UDP, so only one
    /// test can hold it. The kernel frees it when the process ends.
    _reservation: UdpSocket,
}

/// The ports of the processes and stores of a system.
#[derive(Clone, Debug)]
pub struct Ports {
    /// HTTP API of inventory.
    pub inventory_http: u16,
    /// Health listener of inventory's consumer.
    pub inventory_consumer: u16,
    /// Store of inventory.
    pub inventory_redis: u16,
    /// HTTP API of payments.
    pub payments_http: u16,
    /// Health listener of payments' consumer.
    pub payments_consumer: u16,
    /// Store of payments.
    pub payments_redis: u16,
}

/// A process that listens on a port.
#[derive(Debug)]
pub struct Holder {
    /// Its process id.
    pub pid: u32,
    /// Its name, as the kernel has it.
    pub name: String,
}

impl Port {
    /// The number.
    pub fn number(&self) -> u16 {
        self.number
    }
}

impl Ports {
    /// The ports of run-all, plus `offset`. Fails if a port would be higher than 65535.
    pub fn standard(offset: u16) -> Result<Self> {
        let port = |base: u16| {
            base.checked_add(offset)
                .with_context(|| format!("the port offset {offset} leads past port 65535"))
        };
        Ok(Self {
            inventory_http: port(8000)?,
            inventory_consumer: port(8001)?,
            inventory_redis: port(6380)?,
            payments_http: port(9400)?,
            payments_consumer: port(9401)?,
            payments_redis: port(6390)?,
        })
    }

    /// All six ports with the names of their owners.
    pub fn named(&self) -> [(&'static str, u16); 6] {
        [
            ("inventory serve", self.inventory_http),
            ("inventory consume", self.inventory_consumer),
            ("inventory redis", self.inventory_redis),
            ("payments serve", self.payments_http),
            ("payments consume", self.payments_consumer),
            ("payments redis", self.payments_redis),
        ]
    }
}

/// The flag that leads a verb to the system with this offset, with a space before it. Empty if the
/// offset is 0.
pub fn offset_flag(offset: u16) -> String {
    match offset {
        0 => String::new(),
        offset => format!(" --port-offset {offset}"),
    }
}

/// Reserves a free port for a test. No other test, in this process or another, gets the same port
/// while the value lives.
pub fn free() -> Result<Port> {
    (0..ATTEMPTS)
        .map(|_| fastrand::u16(TEST_PORTS))
        .find_map(|number| {
            let reservation = UdpSocket::bind((Ipv4Addr::LOCALHOST, number)).ok()?;
            is_free(number).then_some(Port {
                number,
                _reservation: reservation,
            })
        })
        .context("found no free port")
}

/// Whether a server could listen on `port` now.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Fails if one of these ports is taken. The error names each with its owner and with the process
/// that holds it. `moved` is a command that uses other ports.
pub fn check(ports: &[(&str, u16)], moved: &str) -> Result<()> {
    let taken = ports.iter().filter(|(_, port)| !is_free(*port));
    let lines = taken.map(|(name, port)| match holder(*port) {
        Some(Holder { pid, name: other }) => {
            format!("port {port} ({name}) is taken by process {pid} ({other})")
        }
        None => format!("port {port} ({name}) is taken"),
    });
    let lines: Vec<String> = lines.collect();
    if !lines.is_empty() {
        bail!(
            "{}\nstack: end that process, or move all ports: `{moved}`",
            lines.join("\nstack: ")
        );
    }
    Ok(())
}

/// The process that listens on `port`, if the system tells: on Linux, for a process that this user
/// may inspect.
pub fn holder(port: u16) -> Option<Holder> {
    let sockets = listening_sockets(port);
    let processes = fs::read_dir("/proc").ok()?;
    processes.flatten().find_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let holds = fs::read_dir(entry.path().join("fd"))
            .ok()?
            .flatten()
            .filter_map(|fd| fs::read_link(fd.path()).ok())
            .any(|target| target.to_str().is_some_and(|link| sockets.contains(link)));
        let name = fs::read_to_string(entry.path().join("comm")).unwrap_or_default();
        holds.then(|| Holder {
            pid,
            name: name.trim().to_owned(),
        })
    })
}

/// The sockets that listen on `port`, each as the kernel names it in `/proc/PID/fd`.
fn listening_sockets(port: u16) -> HashSet<String> {
    let suffix = format!(":{port:04X}");
    ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(Path::new(table)).ok())
        .flat_map(|table| {
            table
                .lines()
                .filter_map(|line| {
                    let fields: Vec<&str> = line.split_whitespace().collect();
                    // Column 1 is the local address, 3 the state (0A: listening), 9 the inode.
                    let listens = fields.get(1)?.ends_with(&suffix) && *fields.get(3)? == "0A";
                    listens.then(|| format!("socket:[{}]", fields.get(9).unwrap_or(&"")))
                })
                .collect::<Vec<_>>()
        })
        .collect()
}
