//! Documents: each file, folder and heading that they point to exists.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use regex::Regex;

use super::tree::{assert_known, files, name_of, read, root};

/// Targets of links that do not exist today.
const MISSING: [&str; 0] = [];

/// The documents: those in the root, and those in `docs`.
fn documents() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root()).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path());
    let mut documents = files(&root().join("docs"), &[".md"]);
    documents.extend(paths.filter(|path| path.extension().is_some_and(|ending| ending == "md")));
    assert!(documents.len() > 5, "{documents:?}");
    documents
}

/// The anchors of a document: its headings in small letters, with hyphens for blanks.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let letters = heading.trim_start_matches('#').trim().to_lowercase();
        let letters = letters.chars().filter_map(|letter| match letter {
            ' ' | '-' => Some('-'),
            letter if letter.is_alphanumeric() || letter == '_' => Some(letter),
            _ => None,
        });
        letters.collect()
    };
    headings.map(anchor).collect()
}

/// Whether the target of a link exists.
fn leads_somewhere(document: &Path, target: &str) -> bool {
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = match path {
        "" => document.to_path_buf(),
        path => document.parent().unwrap().join(path),
    };
    path.exists() && (anchor.is_empty() || anchors(&read(&path)).contains(anchor))
}

#[test]
fn documents_point_to_what_is_there() {
    let link = Regex::new(r"\]\(([^)\s]+)\)").unwrap();
    let folders =
        "shared|inventory|payments|stack|proof|bench|contracts|deploy|docs|tools|examples";
    let path = Regex::new(&format!("`((?:{folders})/[0-9A-Za-z_./-]*)`")).unwrap();
    let mut missing = BTreeSet::new();
    for document in documents() {
        let (name, text) = (name_of(&document), read(&document));
        for target in link.captures_iter(&text) {
            let target = target.get(1).unwrap().as_str();
            if !target.starts_with("https://") && !leads_somewhere(&document, target) {
                missing.insert(format!("{name}: {target}"));
            }
        }
        // The changelog may name files of earlier versions.
        for path in path.captures_iter(&text).filter(|_| name != "CHANGELOG.md") {
            let path = path.get(1).unwrap().as_str();
            let found = [path.to_owned(), format!("{path}.rs")];
            if !found.iter().any(|path| root().join(path).exists()) {
                missing.insert(format!("{name}: {path}"));
            }
        }
    }
    assert_known("documents point to what is not there", &missing, &MISSING);
}
