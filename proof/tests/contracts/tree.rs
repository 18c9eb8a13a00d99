//! Generated files of the tree.

use std::io::Write;
use std::{fs, io};

use stack::project;

/// The variable that makes the tests write what they would compare.
const WRITE: &str = "WRITE_CONTRACTS";

/// The file must have this content, or is given it.
pub(crate) fn assert_current(path: &str, content: &str) {
    let file = project::root().join(path);
    if project::variable(WRITE).is_some() {
        let is_news = fs::read_to_string(&file).ok().as_deref() != Some(content);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
        // Not by a macro, whose output a test that passes keeps for itself.
        let word = if is_news { "wrote" } else { "nothing new in" };
        let mut stderr = io::stderr();
        return writeln!(stderr, "contracts: {word} {path}").unwrap();
    }
    let found = fs::read_to_string(file).unwrap_or_default();
    let difference = content
        .lines()
        .zip(found.lines())
        .find(|(new, old)| new != old);
    assert!(
        found == content,
        "{path} is not what the programs say; `just contracts` (or `{WRITE}=1 cargo test --test \
         contracts`) writes it. First difference, new and old: {difference:#?}"
    );
}
