//! Generated files of the tree.

use std::io::Write;
use std::{fs, io};

use stack::project;

/// With this variable the tests write the files instead of comparing them.
const WRITE: &str = "WRITE_CONTRACTS";

/// Asserts that the file has this content, or writes it.
pub(crate) fn assert_current(path: &str, content: &str) {
    let file = project::root().join(path);
    if project::variable(WRITE).is_some() {
        let is_news = fs::read_to_string(&file).ok().as_deref() != Some(content);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, content).unwrap();
        // No macro, because cargo shows what a macro prints only if the test fails.
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
