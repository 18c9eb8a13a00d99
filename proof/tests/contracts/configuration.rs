//! `docs/configuration.md`: the settings that both programs list with `--help`.

use std::fmt::Write;

use crate::documents::{SERVICES, printed};
use crate::tree::assert_current;

/// A setting: its name, its default and what it does.
type Setting = (String, String, String);

/// The beginning of the page.
const HEAD: &str = "\
# Configuration

Every setting is an environment variable. `just contracts` writes this page from `inventory --help` and `payments --help`.

A variable that is empty is not set. `NAME_FILE` names a file that holds the value of `NAME`: use it for passwords. A length of
time has a unit (`250ms`, `5s`, `10m`, `30d`), or counts seconds. A process reports all mistakes at once, and ends with status 2
before anything starts.

`docker compose` passes on the variables that `compose.yaml` names.
";

/// The settings that a service lists.
fn settings(service: &str) -> Vec<Setting> {
    let help = printed(service, "--help");
    let (_, listed) = help.split_once("\nEnvironment (").unwrap();
    let lines = listed.lines().skip(1).filter(|line| !line.is_empty());
    lines.map(|line| setting(line).unwrap()).collect()
}

/// The setting in a line of `--help`: name, default and help between blanks.
fn setting(line: &str) -> Option<Setting> {
    let (name, rest) = line.trim_start().split_once(' ')?;
    let (default, help) = rest.trim_start().split_once(' ')?;
    Some((name.to_owned(), default.to_owned(), help.trim().to_owned()))
}

/// A table of settings.
fn table(title: &str, settings: &[&Setting]) -> String {
    let mut text =
        format!("\n## {title}\n\n| Variable | Default | Meaning |\n| --- | --- | --- |\n");
    for (name, default, help) in settings {
        let default = match default.as_str() {
            "-" => "unset".to_owned(),
            default => format!("`{default}`"),
        };
        let help = help.replace('|', "\\|").replace('<', "\\<");
        writeln!(text, "| `{name}` | {default} | {help} |").unwrap();
    }
    text
}

#[test]
fn the_page_of_settings_is_what_the_programs_say() {
    let [inventory, payments] = SERVICES.map(settings);
    let only = |settings: &'static str, own: &[Setting], other: &[Setting]| {
        let own: Vec<&Setting> = own
            .iter()
            .filter(|setting| !other.contains(setting))
            .collect();
        assert!(!own.is_empty(), "{settings}");
        table(settings, &own)
    };
    let both: Vec<&Setting> = inventory
        .iter()
        .filter(|setting| payments.contains(setting))
        .collect();
    assert!(both.len() > 10, "{both:?}");
    let page = [
        HEAD.to_owned(),
        table("Both services", &both),
        only("inventory", &inventory, &payments),
        only("payments", &payments, &inventory),
    ];
    assert_current("docs/configuration.md", &page.concat());
}
