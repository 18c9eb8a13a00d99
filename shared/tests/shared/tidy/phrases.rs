//! Phrases that hide who does what. CONTRIBUTING.md says how sentences are written instead.

use regex::Regex;

use super::tree::{crates, files, name_of, read, root};

/// Files that people read, and files with comments.
const ENDINGS: [&str; 13] = [
    ".rs", ".lua", ".md", ".toml", ".hurl", ".sh", ".yaml", ".yml", ".json", ".conf", ".acl",
    ".py", "justfile",
];
/// A phrase, and how often it may still stand in the whole tree. The numbers only get smaller.
const BANNED: [(&str, usize); 4] = [
    ("(?:there )?(?:is|are) none", 0),
    ("who(?:m|so)?ever", 7),
    ("what (?:has )?became of", 2),
    ("so many", 4),
];
/// Not checked: this list, what a tool wrote, and what earlier versions said.
const EXCEPT: [&str; 3] = [
    "shared/tests/shared/tidy/phrases.rs",
    "tools/package-lock.json",
    "CHANGELOG.md",
];

/// Files of the tree that are checked.
fn readable() -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(root()).unwrap();
    let mut found = Vec::new();
    for path in entries.map(|entry| entry.unwrap().path()) {
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() && !name.starts_with('.') && name != "target" {
            found.extend(files(&path, &ENDINGS));
        } else if path.is_file() && ENDINGS.iter().any(|ending| name.ends_with(ending)) {
            found.push(path);
        }
    }
    found.retain(|path| {
        let name = name_of(path);
        !EXCEPT.iter().any(|except| name.ends_with(except)) && !name.contains("node_modules/")
    });
    assert!(found.len() > 50 * crates().len(), "{}", found.len());
    found
}

/// "There is none" says what it says.
fn is_plain(found: &str) -> bool {
    found.starts_with("there")
}

#[test]
fn phrases_that_hide_the_actor_become_fewer() {
    let texts: Vec<(String, String)> = readable()
        .iter()
        .map(|path| (name_of(path), read(path).to_lowercase()))
        .collect();
    let mut wrong = Vec::new();
    for (phrase, most) in BANNED {
        // A phrase may stand on two lines of a comment.
        let pattern = format!(r"\b{}\b", phrase.replace(' ', r"[\s/*#-]+"));
        let pattern = Regex::new(&pattern).unwrap();
        let counts = texts.iter().map(|(name, text)| {
            let found = pattern.find_iter(text).map(|found| found.as_str());
            (name, found.filter(|found| !is_plain(found)).count())
        });
        let counts: Vec<_> = counts.filter(|(_, count)| *count > 0).collect();
        let count: usize = counts.iter().map(|(_, count)| count).sum();
        let files: Vec<_> = counts
            .iter()
            .map(|(name, count)| format!("{name}: {count}"))
            .collect();
        if count > most {
            wrong.push(format!("{phrase:?}: {count}, at most {most}: {files:#?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
