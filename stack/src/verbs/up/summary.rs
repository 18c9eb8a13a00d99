//! The box of addresses that is printed when the system is ready.

use std::env;
use std::path::{Path, PathBuf};

use stack::credentials::User;
use stack::foreground::framed;
use stack::ports::{Ports, offset_flag};
use stack::server::Server;
use stack::topology::StoreServers;

/// How a person reaches a store.
struct Entrance {
    /// The flags of `redis-cli` beside the port and the user.
    flags: &'static str,
    port: u16,
    /// The file with the operator's password.
    password: PathBuf,
}

impl Entrance {
    /// People reach a store through its first server.
    fn of(store: &StoreServers) -> Self {
        let servers = store.servers();
        Self {
            flags: match store {
                StoreServers::Clustered(_) => "-c ",
                StoreServers::Single(_) | StoreServers::Replicated(_) => "",
            },
            port: servers[0].port(),
            password: shown(&servers[0].operator_password_file()),
        }
    }
}

/// The box as text.
pub(super) fn text(
    ports: &Ports,
    offset: u16,
    stores: &[StoreServers; 2],
    server: &Server,
) -> String {
    let entrances = stores.each_ref().map(Entrance::of);
    framed(&lines(ports, offset, &entrances, &server.version))
}

fn lines(ports: &Ports, offset: u16, stores: &[Entrance; 2], server: &str) -> Vec<String> {
    let url = |port: u16| format!("http://127.0.0.1:{port}");
    let urls = [url(ports.inventory_http), url(ports.payments_http)];
    let width = urls
        .each_ref()
        .map(String::len)
        .into_iter()
        .max()
        .unwrap_or(0);
    let service = |name: &str, url: &str| format!("{name:<10} {url:<width$}    docs {url}/docs");
    let user = User::Operator.name();
    // The password goes through the environment, which only the owner of a process can read. All
    // users of the machine can read its arguments.
    let store = |name: &str,
                 Entrance {
                     flags,
                     port,
                     password,
                 }: &Entrance| {
        let password = password.display();
        format!(
            "{name:<10} REDISCLI_AUTH=\"$(cat \"{password}\")\" redis-cli {flags}-p {port} --user {user}"
        )
    };
    let ([inventory, payments], [inventory_store, payments_store]) = (&urls, stores);
    let flag = offset_flag(offset);
    vec![
        service("inventory", inventory),
        service("payments", payments),
        String::new(),
        format!("stores     {server}, every write on disk before it is answered"),
        store("inventory", inventory_store),
        store("payments", payments_store),
        String::new(),
        format!("try        curl {inventory}/products"),
        format!("next       just order{flag}   |   just demo   |   Ctrl-C stops everything"),
        format!("check      just reconcile{flag}"),
    ]
}

/// The path relative to the current folder, if it lies there.
fn shown(path: &Path) -> PathBuf {
    let here = env::current_dir()
        .and_then(|dir| dir.canonicalize())
        .unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_box_keeps_its_shape_with_ports_and_paths_of_any_length() {
        for offset in [0, 1, 599, 600, 1_000, 1_999, 2_000, 50_000, 56_000] {
            for folder in [
                ".data/run",
                "/a",
                &"/very/long".repeat(30),
                "/home/müller/ß",
            ] {
                let ports = Ports::standard(offset).unwrap();
                let entrance = |name: &str, flags| Entrance {
                    flags,
                    port: 6_380,
                    password: Path::new(folder).join(name).join("operator.password"),
                };
                let stores = [entrance("inventory", ""), entrance("payments", "-c ")];
                let text = framed(&lines(&ports, offset, &stores, "Valkey 9.1.2"));
                let lines: Vec<&str> = text.lines().collect();
                let widths: Vec<usize> = lines.iter().map(|line| line.chars().count()).collect();
                assert!(widths.iter().all(|width| *width == widths[0]), "{text}");
                assert_eq!(lines.len(), 12, "{text}");
                let docs = lines[1].find("docs ");
                assert!(docs.is_some() && docs == lines[2].find("docs "), "{text}");
                assert_eq!(
                    text.matches("--port-offset").count(),
                    if offset == 0 { 0 } else { 2 }
                );
            }
        }
    }
}
