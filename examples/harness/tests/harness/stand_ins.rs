//! Stand-ins for the programs of the examples.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use harness::program;
use tempfile::TempDir;

/// A program that is ready as soon as it listens, and answers every request with its settings.
const STAND_IN: &str = r#"#!/usr/bin/env python3
import http.server, os, sys
host, port = os.environ["HTTP_ADDR" if sys.argv[1] == "serve" else "CONSUMER_HTTP_ADDR"].split(":")
names = ["DATABASE_URL", "KAFKA_BROKERS", "REDIS_URL", "ITEMS_REDIS_URL"]

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write("\n".join(os.environ.get(name, "") for name in names).encode())
    def log_message(self, *args):
        pass

server = http.server.ThreadingHTTPServer((host, int(port)), Handler)
print(sys.argv[1], "listens", flush=True)
server.serve_forever()
"#;

/// A folder with stand-ins that have the names of the programs.
pub(crate) fn stand_ins() -> TempDir {
    // The program that starts children lies beside `example`.
    program::build(&["stack"]).unwrap();
    let folder = tempfile::tempdir().unwrap();
    for name in ["records", "items", "todos"] {
        let path = folder.path().join(name);
        fs::write(&path, STAND_IN).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    }
    folder
}
