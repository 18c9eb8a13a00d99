//! The box of addresses that says the system is ready.

use std::{env, path::Path};

use stack::{ports::Ports, redis::RedisServer, server::Server};

use super::stores::Stores;

/// The box, ready to print.
pub(super) fn text(ports: &Ports, stores: &Stores, server: &Server) -> String {
    let service = |name: &str, port: u16| {
        let url = format!("http://127.0.0.1:{port}");
        format!("{name:<10} {url}    docs {url}/docs")
    };
    let store = |name: &str, (flags, redis): (&str, &RedisServer)| {
        let file = redis.operator_url_file();
        format!("{name:<10} redis-cli {flags} \"$(cat {})\"", shown(&file))
    };
    let [inventory, payments] = stores.entrances();
    boxed(&[
        service("inventory", ports.inventory_http),
        service("payments", ports.payments_http),
        String::new(),
        format!("stores     {}, every write on disk before it is answered", server.version),
        store("inventory", inventory),
        store("payments", payments),
        String::new(),
        format!("try        curl http://127.0.0.1:{}/products", ports.inventory_http),
        "next       just order   |   just demo   |   Ctrl-C stops everything".to_owned(),
    ])
}

fn boxed(lines: &[String]) -> String {
    let width = lines.iter().map(|line| line.chars().count()).max().unwrap_or(0);
    let rule = "─".repeat(width + 2);
    let body: Vec<String> = lines.iter().map(|line| format!("│ {line:width$} │")).collect();
    format!("╭{rule}╮\n{}\n╰{rule}╯\n", body.join("\n"))
}

/// The shortest way to write a path from here.
fn shown(path: &Path) -> String {
    let here = env::current_dir().and_then(|dir| dir.canonicalize()).unwrap_or_default();
    path.strip_prefix(here).unwrap_or(path).display().to_string()
}
