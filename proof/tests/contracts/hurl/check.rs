//! The parts of an assert: a subject (`jsonpath "$.id"`) and a predicate (`== 3`).

use regex::Regex;
use serde_json::{Value, json};

/// A part of an answer.
#[derive(Debug)]
pub(crate) struct Subject {
    pub(crate) part: Part,
    pub(crate) filters: Vec<Filter>,
}

#[derive(Debug)]
pub(crate) enum Part {
    Status,
    Body,
    Header(String),
    /// The path of a value in the JSON, step by step.
    Json(Vec<String>),
}

#[derive(Debug)]
pub(crate) enum Filter {
    Count,
    /// The first group of the match of this pattern.
    Regex(String),
}

/// One assert.
#[derive(Debug)]
pub(crate) struct Check {
    /// The assert as it stands in the file.
    pub(crate) text: String,
    pub(crate) subject: Subject,
    pub(crate) negated: bool,
    pub(crate) predicate: Predicate,
}

#[derive(Debug)]
pub(crate) enum Predicate {
    Exists,
    Is(&'static str),
    Matches(String),
    Compare(&'static str, Value),
}

/// Predicates without a value.
const KINDS: [&str; 5] = ["isString", "isInteger", "isNumber", "isList", "isEmpty"];
/// Predicates with a value.
const COMPARISONS: [&str; 9] = [
    "==",
    "!=",
    ">",
    ">=",
    "<",
    "<=",
    "contains",
    "startsWith",
    "endsWith",
];

impl Check {
    /// The assert for a header that stands directly under the status line.
    pub(crate) fn header(name: String, value: &str) -> Self {
        Self {
            text: format!("{name}: {value}"),
            subject: Subject {
                part: Part::Header(name),
                filters: Vec::new(),
            },
            negated: false,
            predicate: Predicate::Compare("==", json!(value)),
        }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self {
            text: format!("HTTP {status}"),
            subject: Subject {
                part: Part::Status,
                filters: Vec::new(),
            },
            negated: false,
            predicate: Predicate::Compare("==", json!(status)),
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Pattern(String),
}

/// Reads an assert.
pub(crate) fn parse(line: &str) -> Option<Check> {
    let tokens = tokens(line)?;
    let (subject, mut rest) = subject(&tokens)?;
    let negated = rest.first() == Some(&Token::Word("not".to_owned()));
    if negated {
        rest = &rest[1..];
    }
    let predicate = match rest {
        [Token::Word(word)] if word == "exists" => Predicate::Exists,
        [Token::Word(word)] => Predicate::Is(KINDS.into_iter().find(|kind| kind == word)?),
        [Token::Word(word), Token::Pattern(pattern)] if word == "matches" => {
            Predicate::Matches(pattern.clone())
        }
        [Token::Word(word), value] => {
            let comparison = COMPARISONS
                .into_iter()
                .find(|comparison| comparison == word)?;
            Predicate::Compare(comparison, literal(value)?)
        }
        _ => return None,
    };
    Some(Check {
        text: line.to_owned(),
        subject,
        negated,
        predicate,
    })
}

/// Reads the subject of a capture.
pub(crate) fn parse_subject(text: &str) -> Option<Subject> {
    let tokens = tokens(text)?;
    let (subject, rest) = subject(&tokens)?;
    rest.is_empty().then_some(subject)
}

fn subject(tokens: &[Token]) -> Option<(Subject, &[Token])> {
    let (part, mut rest) = match tokens {
        [Token::Word(word), rest @ ..] if word == "status" => (Part::Status, rest),
        [Token::Word(word), rest @ ..] if word == "body" => (Part::Body, rest),
        [Token::Word(word), Token::Text(name), rest @ ..] if word == "header" => {
            (Part::Header(name.clone()), rest)
        }
        [Token::Word(word), Token::Text(path), rest @ ..] if word == "jsonpath" => {
            (Part::Json(steps(path)?), rest)
        }
        _ => return None,
    };
    let mut filters = Vec::new();
    loop {
        match rest {
            [Token::Word(word), more @ ..] if word == "count" => {
                filters.push(Filter::Count);
                rest = more;
            }
            [Token::Word(word), Token::Pattern(pattern), more @ ..] if word == "regex" => {
                filters.push(Filter::Regex(pattern.clone()));
                rest = more;
            }
            _ => return Some((Subject { part, filters }, rest)),
        }
    }
}

/// The steps of a path to one value: `$.a[0].b`.
fn steps(path: &str) -> Option<Vec<String>> {
    let whole = Regex::new(r"^\$(\.\w+|\[\d+\])*$").unwrap();
    let step = Regex::new(r"\w+").unwrap();
    let found = |path| {
        step.find_iter(path)
            .map(|step| step.as_str().to_owned())
            .collect()
    };
    whole.is_match(path).then(|| found(path))
}

fn literal(token: &Token) -> Option<Value> {
    match token {
        Token::Text(text) => Some(json!(text)),
        Token::Word(word) => {
            let value: Value = serde_json::from_str(word).ok()?;
            (!value.is_object() && !value.is_array()).then_some(value)
        }
        Token::Pattern(_) => None,
    }
}

/// Words, texts in quotes, and patterns in slashes; `None` if there is anything else.
fn tokens(line: &str) -> Option<Vec<Token>> {
    let token = r#"^\s*(?:"((?:[^"\\]|\\.)*)"|/((?:[^/\\]|\\.)+)/|([^\s"/#]+))(?:\s|$)"#;
    let token = Regex::new(token).unwrap();
    let (mut tokens, mut rest) = (Vec::new(), line.trim());
    while !rest.is_empty() {
        let found = token.captures(rest)?;
        let group = |index: usize| found.get(index).map(|group| group.as_str());
        tokens.push(match (group(1), group(2), group(3)) {
            (Some(text), ..) => Token::Text(text.replace("\\\"", "\"").replace("\\\\", "\\")),
            (_, Some(pattern), _) => Token::Pattern(pattern.replace("\\/", "/")),
            (.., word) => Token::Word(word?.to_owned()),
        });
        rest = rest[found.get(0)?.end()..].trim_start();
    }
    Some(tokens)
}
