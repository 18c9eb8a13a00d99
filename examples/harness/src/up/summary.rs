//! The frame of addresses that is printed when the example is ready.

use stack::foreground::framed;

use crate::example::{Example, Need};

/// The frame as text. `servers` has a line for each server.
pub(super) fn text(example: &Example, offset: u16, servers: Vec<String>) -> String {
    let url = |port: u16| format!("http://127.0.0.1:{}", port + offset);
    let mut lines = Vec::new();
    let mut roles = example.roles.iter();
    let api = roles.next().map_or(String::new(), |role| url(role.port));
    lines.push(format!("{:<10} {api}    docs {api}/docs", example.name));
    for role in roles {
        lines.push(format!("{:<10} {}/readyz", role.verb, url(role.port)));
    }
    lines.extend(servers);
    lines.push(String::new());
    lines.push(format!("try        {}", example.first_call.command(&api)));
    lines.push("next       Ctrl-C stops everything".to_owned());
    framed(&lines)
}

/// The line of a server that the user brings along.
pub(super) fn given(need: &Need) -> String {
    format!("{:<10} the server in {}", need.kind.name(), need.setting)
}
