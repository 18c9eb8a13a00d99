//! `docs/build-your-own.md` quotes the code as it is, and the pair stays small.

use std::fs;
use std::path::PathBuf;

use stack::project;

/// The files of the pair: the contract, the producer, the consumer and its function.
const PAIR: [&str; 4] = [
    "greeted.rs",
    "greeter.rs",
    "counter.rs",
    "lua/count_greetings.lua",
];
/// Most lines of code of the pair, without comments and blank lines.
const MOST: usize = 150;

fn source(name: &str) -> PathBuf {
    project::root().join("examples/hello/src").join(name)
}

fn is_code(line: &str) -> bool {
    let line = line.trim_start();
    !line.is_empty() && !line.starts_with("//") && !line.starts_with("--")
}

#[test]
fn the_pair_has_at_most_150_lines_of_code() {
    let mut count = 0;
    for name in PAIR {
        let text = fs::read_to_string(source(name)).unwrap();
        // The header of a Lua file is a comment.
        let code = text.rsplit_once("]]").map_or(&*text, |(_, code)| code);
        count += code.lines().filter(|line| is_code(line)).count();
    }
    assert!((100..=MOST).contains(&count), "{count}");
}

/// A block of the page begins with a line that names its file: `rust file=greeter.rs`.
#[test]
fn the_page_quotes_the_code_as_it_is() {
    let page = fs::read_to_string(project::root().join("docs/build-your-own.md")).unwrap();
    let mut quotes = 0;
    for block in page.split("\n```").skip(1).step_by(2) {
        let (head, quote) = block.split_once('\n').unwrap();
        let Some((_, name)) = head.split_once(" file=") else {
            assert!(["console", "text"].contains(&head), "{head}: which file?");
            continue;
        };
        let code = fs::read_to_string(source(name)).unwrap();
        // The quote may leave out comments, and begin with less indentation.
        let lines = |text: &str| {
            let lines = text.lines().filter(|line| is_code(line));
            lines.map(|line| line.trim().to_owned()).collect::<Vec<_>>()
        };
        let (code, quote) = (lines(&code), lines(quote));
        let is_there = code.windows(quote.len()).any(|part| part == quote);
        assert!(is_there, "{name} has no such lines: {quote:#?}");
        quotes += 1;
    }
    assert!(quotes >= 6, "{quotes}");
}
