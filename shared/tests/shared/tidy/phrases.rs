//! Phrases that hide who does what. CONTRIBUTING.md says how sentences are written instead.

use regex::Regex;

use super::tree::{crates, files, name_of, read, root};

/// Files that people read, and files with comments.
const ENDINGS: [&str; 17] = [
    ".rs",
    ".lua",
    ".md",
    ".toml",
    ".hurl",
    ".sh",
    ".yaml",
    ".yml",
    ".json",
    ".conf",
    ".acl",
    ".py",
    ".js",
    ".go",
    ".c",
    "justfile",
    "Dockerfile",
];
/// Phrases that no checked file may have: patterns, in small letters.
const BANNED: [&str; 8] = [
    "(?:there )?(?:is|are) none",
    "who(?:m|so)?ever",
    "what (?:has )?became of",
    "so many",
    "(?:some|every)body",
    "whatever",
    "the one that",
    "those who",
];
/// Not checked: this list, a file that a tool wrote, and the sentences of earlier versions.
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

/// "There is none" names its thing in the same sentence.
fn is_plain(found: &str) -> bool {
    found.starts_with("there")
}

#[test]
fn no_sentence_has_a_phrase_that_hides_the_actor() {
    let patterns = BANNED.map(|phrase| {
        // A phrase may stand on two lines of a comment.
        let pattern = phrase.replace(' ', r"[\s/*#-]+");
        Regex::new(&format!(r"\b{pattern}\b")).unwrap()
    });
    let mut wrong = Vec::new();
    for path in readable() {
        let (name, text) = (name_of(&path), read(&path).to_lowercase());
        for pattern in &patterns {
            for found in pattern.find_iter(&text).filter(|it| !is_plain(it.as_str())) {
                let line = text[..found.start()].matches('\n').count() + 1;
                wrong.push(format!("{name}:{line}: {:?}", found.as_str()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
