//! Stand-ins for the services, and helpers of several tests.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::kill;
use nix::unistd::Pid;
use stack::binaries::Binaries;
use stack::cluster::BUS;
use stack::guard::{Farewell, Guard};
use stack::ports;
use stack::ports::Ports;
use stack::process::Launch;
use stack::wait::eventually;
use tempfile::TempDir;

/// A service that is ready as soon as it listens. When a test writes to `crash-<service>-<verb>`
/// beside it, it ends with status 3 and a reason. With `CHATTY` it writes without end, and
/// `/written` tells how many bytes it wrote.
const STAND_IN: &str = r#"#!/usr/bin/env python3
import http.server, os, signal, sys, threading
if "STUBBORN" in os.environ:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
service, verb = os.path.basename(sys.argv[0]), sys.argv[1]
here = os.path.dirname(os.path.abspath(sys.argv[0]))
host, port = os.environ["HTTP_ADDR" if verb == "serve" else "CONSUMER_HTTP_ADDR"].split(":")

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        if self.path == "/written":
            return self.wfile.write(str(written).encode())
        names = ["CONSUMER_NAME", "COMPLETION_DELAY", "PARTITIONS", "INVENTORY_URL", "FEE_RATE"]
        self.wfile.write(";".join(name + "=" + os.environ.get(name, "") for name in names).encode())
    def log_message(self, *args):
        pass

def watch():
    crash = os.path.join(here, "crash-" + service + "-" + verb)
    try:
        os.mkfifo(crash)
    except FileExistsError:
        pass
    open(crash).close()  # Waits for the writer.
    for number in range(30):
        print("line", number)
    print("the reason of the crash", flush=True)
    os._exit(3)

written = 0
def chat():
    global written
    while True:
        written += os.write(1, b"x" * 999 + b"\n")

threading.Thread(target=watch, daemon=True).start()
if "CHATTY" in os.environ:
    threading.Thread(target=chat, daemon=True).start()
server = http.server.ThreadingHTTPServer((host, int(port)), Handler)
print(service, verb, "listens, pid", os.getpid(), flush=True)
server.serve_forever()
"#;

/// Generous, because a compiler may run beside the tests.
pub(crate) const LIMIT: Duration = Duration::from_secs(30);

/// Writes an executable script. The file gets its name only when it is complete.
pub(crate) fn script(path: &Path, text: &str) {
    fs::write(path, text).unwrap();
    fs::set_permissions(path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// A folder with stand-ins that have the names of the services.
pub(crate) fn stand_ins() -> TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in ["inventory", "payments"] {
        script(&dir.path().join(name), STAND_IN);
    }
    dir
}

pub(crate) fn stand_in_binaries(dir: &Path) -> Binaries {
    Binaries {
        inventory: dir.join("inventory"),
        payments: dir.join("payments"),
        stack: stack_binary(),
        acl: None,
    }
}

pub(crate) fn stack_binary() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_stack"))
}

pub(crate) fn guard() -> Guard {
    Guard {
        stack: stack_binary(),
        farewell: Farewell::Kill,
    }
}

/// A process that runs a shell command.
pub(crate) fn shell(line: &str) -> Launch {
    Launch {
        name: "shell".to_owned(),
        program: "/bin/sh".into(),
        args: vec!["-c".into(), line.into()],
        ..Launch::default()
    }
}

/// Whether a process with that id exists and has not ended. A zombie has ended.
pub(crate) fn is_alive(pid: u32) -> bool {
    let zombie = fs::read_to_string(format!("/proc/{pid}/stat")).is_ok_and(|stat| {
        stat.rsplit(')')
            .next()
            .unwrap()
            .trim_start()
            .starts_with('Z')
    });
    !zombie && kill(Pid::from_raw(pid.cast_signed()), None).is_ok()
}

pub(crate) async fn wait_dead(pids: &[u32]) {
    eventually("the end of all children", async || {
        pids.iter().all(|pid| !is_alive(*pid))
    })
    .await;
}

/// A port offset whose six ports are free, below the ports of systems in other tests. Each test has
/// a range of its own.
pub(crate) fn free_offset(test: u16) -> u16 {
    let base = 1_000 + test * 600;
    (base..base + 500)
        .find(|offset| {
            Ports::standard(*offset)
                .unwrap()
                .named()
                .iter()
                .all(|(_, port)| ports::is_free(*port))
        })
        .unwrap()
}

/// A port offset for two clusters with free ports. Also the ports between the nodes lie below those
/// of systems in other tests.
pub(crate) fn free_cluster_offset() -> u16 {
    const NODES: u16 = 6;
    let nodes = |first: u16| (first..first + NODES).flat_map(|port| [port, port + BUS]);
    let is_free = |offset: &u16| {
        let ports = Ports::standard(*offset).unwrap();
        let stores = nodes(ports.inventory_redis).chain(nodes(ports.payments_redis));
        ports
            .named()
            .into_iter()
            .map(|(_, port)| port)
            .chain(stores)
            .all(ports::is_free)
    };
    (500..900).step_by(20).find(is_free).unwrap()
}

/// The processes whose parent is `parent`.
pub(crate) fn children_of(parent: u32) -> Vec<u32> {
    let parent_of = |pid: u32| -> Option<u32> {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        stat.rsplit(')')
            .next()?
            .split_whitespace()
            .nth(1)?
            .parse()
            .ok()
    };
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| parent_of(*pid) == Some(parent))
        .collect()
}
