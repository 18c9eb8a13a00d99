//! The files of the workspace, and their text.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

/// Folders of a crate that hold code.
const CODE_FOLDERS: [&str; 3] = ["src", "tests", "examples"];

/// The folder of the workspace.
pub(super) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The crates of the workspace, as its manifest lists them; `examples/*` is each folder in there.
pub(super) fn crates() -> Vec<PathBuf> {
    let manifest = fs::read_to_string(root().join("Cargo.toml")).unwrap();
    let (_, members) = manifest.split_once("\nmembers = [").unwrap();
    let (members, _) = members.split_once(']').unwrap();
    let mut crates = Vec::new();
    for member in members.split('"').skip(1).step_by(2) {
        match member.strip_suffix("/*") {
            Some(folder) => crates.extend(
                folders(&root().join(folder))
                    .into_iter()
                    .filter(|folder| folder.join("Cargo.toml").is_file()),
            ),
            None => crates.push(root().join(member)),
        }
    }
    crates.sort_unstable();
    assert!(crates.len() >= 5, "{crates:?}");
    crates
}

/// The folders directly in `folder`.
pub(super) fn folders(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).into_iter().flatten();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = paths.filter(|path| path.is_dir()).collect();
    found.sort_unstable();
    found
}

/// All files below `folder` with one of these endings.
pub(super) fn files(folder: &Path, endings: &[&str]) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let Ok(entries) = fs::read_dir(folder) else {
        return found;
    };
    for entry in entries {
        let path = entry.unwrap().path();
        let name = path.to_str().unwrap();
        if path.is_dir() {
            found.extend(files(&path, endings));
        } else if endings.iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
    found.sort_unstable();
    found
}

/// The files of all crates with one of these endings: name from the root, and text.
pub(super) fn texts(endings: &[&str]) -> Vec<(String, String)> {
    let folders = crates()
        .into_iter()
        .flat_map(|path| CODE_FOLDERS.map(|folder| path.join(folder)));
    let paths = folders.flat_map(|folder| files(&folder, endings));
    paths.map(|path| (name_of(&path), read(&path))).collect()
}

/// The sources of one crate without their unit tests: name within `src`, and code.
pub(super) fn sources(krate: &Path) -> Vec<(String, String)> {
    let src = krate.join("src");
    let mut sources = Vec::new();
    for path in files(&src, &[".rs"]) {
        let name = path
            .strip_prefix(&src)
            .unwrap()
            .to_str()
            .unwrap()
            .to_owned();
        if !is_unit_test(&name) {
            sources.push((name, code(without_unit_tests(&read(&path)))));
        }
    }
    sources
}

/// The name of a file, from the root.
pub(super) fn name_of(path: &Path) -> String {
    let name = path.strip_prefix(root()).unwrap();
    name.to_str().unwrap().to_owned()
}

/// The text of a file.
pub(super) fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap()
}

/// Whether a file in `src` holds unit tests and nothing else: `x/tests.rs`, and files below `x/tests/`.
pub(super) fn is_unit_test(name: &str) -> bool {
    let in_src = name.rsplit_once("src/").map_or(name, |(_, in_src)| in_src);
    in_src.ends_with("/tests.rs") || in_src.contains("/tests/")
}

/// The code without its unit tests, which stand at the end of a file.
pub(super) fn without_unit_tests(text: &str) -> &str {
    let tests = text.find("#[cfg(test)]\nmod ").unwrap_or(text.len());
    &text[..tests]
}

/// Code without comments, because a sentence in a comment may name anything.
pub(super) fn code(text: &str) -> String {
    let lines = text
        .lines()
        .filter(|line| !line.trim_start().starts_with("//"));
    lines.collect::<Vec<_>>().join("\n")
}

/// The words of a text: names as a compiler sees them.
pub(super) fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
        .filter(|word| !word.is_empty())
}

/// Whether `word` stands in `text` as a word of its own.
pub(super) fn names(text: &str, word: &str) -> bool {
    words(text).any(|found| found == word)
}

/// A path that code names: its first two parts below `crate`, or below another crate.
pub(super) struct Named<'a> {
    /// `crate`, or the name of another crate.
    pub krate: &'a str,
    /// The first part below it.
    pub first: &'a str,
    /// The second parts: one, or those in braces. Empty if the path ends before.
    pub second: Vec<&'a str>,
}

/// A path of at least two parts, in the one style of `use` that is allowed.
static PATH: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"(?:^|[^\w:.$])(\w+)::(?:(\w+)(?:::(\w+|\{[^}]*\}))?|(\{[^}]*\}))";
    Regex::new(pattern).unwrap()
});

/// All paths in `code` that begin with one of `roots`.
pub(super) fn paths<'a>(code: &'a str, roots: &[&str]) -> Vec<Named<'a>> {
    let mut found = Vec::new();
    for part in PATH.captures_iter(code) {
        let text = |group| part.get(group).map_or("", |found| found.as_str());
        let krate = text(1);
        // A macro is named by its crate, and `pub(in crate::x)` uses nothing of `x`.
        let is_macro = code[part.get(0).unwrap().end()..].starts_with('!');
        let is_visibility = code[..part.get(1).unwrap().start()].ends_with("(in ");
        if is_macro || is_visibility || !roots.contains(&krate) {
            continue;
        }
        if !text(2).is_empty() {
            let (first, second) = (text(2), listed(text(3)));
            found.push(Named {
                krate,
                first,
                second,
            });
        }
        for first in listed(text(4)) {
            let second = Vec::new();
            found.push(Named {
                krate,
                first,
                second,
            });
        }
    }
    found
}

/// The names in braces, or the one name without braces.
fn listed(names: &str) -> Vec<&str> {
    let names = names.trim_start_matches('{').trim_end_matches('}');
    names
        .split(',')
        .filter_map(|name| words(name).next())
        .collect()
}

/// Fails if a fault is not on the list of known ones, and if a fault on the list is gone. So the list
/// only shrinks.
pub(super) fn assert_known(what: &str, found: &BTreeSet<String>, known: &[&str]) {
    let known: BTreeSet<String> = known.iter().map(|&entry| entry.to_owned()).collect();
    let new: Vec<_> = found.difference(&known).collect();
    assert!(new.is_empty(), "{what}: {new:#?}");
    let gone: Vec<_> = known.difference(found).collect();
    assert!(
        gone.is_empty(),
        "{what}: these are no longer so, take them off the list: {gone:#?}"
    );
}
