use poem::http::Method;

use super::*;
use crate::store::condition::Versions;

fn request(name: &HeaderName, lines: &[&str]) -> Request {
    let request = lines
        .iter()
        .fold(Request::builder().method(Method::PUT), |request, line| {
            let value = HeaderValue::from_bytes(line.as_bytes()).unwrap();
            request.header(name.clone(), value)
        });
    request.finish()
}

fn read(request: &Request) -> Result<Condition, Problem> {
    param::read_both(request).map(|(if_match, if_none_match)| condition(if_match, if_none_match))
}

fn arg(name: &HeaderName, lines: &[&str]) -> String {
    read(&request(name, lines)).unwrap().to_arg()
}

#[test]
fn a_condition_lists_versions_in_one_header_or_several() {
    for (lines, expected) in [
        (vec![], ""),
        (vec!["*"], "*"),
        (vec![" * "], "*"),
        (vec!["\"7\""], "7"),
        (vec!["\"7\",\"8\" ,, \"9\","], "7,8,9"),
        (vec!["\"7\"", "\"8\""], "7,8"),
        (vec!["\"a,b\", \"7\""], "7"),
        (vec!["\"18446744073709551615\""], "18446744073709551615"),
    ] {
        assert_eq!(arg(&header::IF_MATCH, &lines), expected, "{lines:?}");
        let negated = if lines.is_empty() {
            String::new()
        } else {
            format!("!{expected}")
        };
        assert_eq!(arg(&header::IF_NONE_MATCH, &lines), negated, "{lines:?}");
    }
}

#[test]
fn a_weak_or_foreign_tag_matches_nothing() {
    for line in [
        "W/\"7\"",
        "\"\"",
        "\"x\"",
        "\"07\"",
        "\"+7\"",
        "\"é\"",
        "\"18446744073709551616\"",
    ] {
        let only = read(&request(&header::IF_MATCH, &[line])).unwrap();
        assert_eq!(
            (only.to_arg().as_str(), only.admits(7)),
            ("0", false),
            "{line}"
        );
    }
}

#[test]
fn a_weak_tag_is_as_good_as_a_strong_one_where_it_must_not_match() {
    for (line, expected) in [("W/\"7\"", "!7"), ("\"x\"", "!"), ("W/\"6\", \"x\"", "!6")] {
        assert_eq!(arg(&header::IF_NONE_MATCH, &[line]), expected, "{line}");
    }
}

#[test]
fn what_is_no_list_of_tags_is_refused() {
    for name in [header::IF_MATCH, header::IF_NONE_MATCH] {
        for line in [
            "",
            " ",
            ",",
            "7",
            "\"7",
            "7\"",
            "w/\"7\"",
            "\"7\" \"8\"",
            "\"7\"8",
            "\"a b\"",
        ] {
            let problem = read(&request(&name, &[line])).unwrap_err();
            assert_eq!(problem.kind().slug, "invalid-parameter", "{line}");
            assert!(
                problem.to_string().to_lowercase().contains(name.as_str()),
                "{problem}"
            );
        }
        for lines in [["*", "*"], ["*", "\"7\""], ["\"7\"", "*"]] {
            assert!(read(&request(&name, &lines)).is_err(), "{lines:?}");
        }
        assert!(read(&request(&name, &["*, \"7\""])).is_err());
    }
    let (if_match, if_none_match) =
        param::read_both(&request(&header::IF_NONE_MATCH, &["\"6\""])).unwrap();
    let missing = required(if_match, if_none_match).unwrap_err();
    assert_eq!(missing.kind().slug, "precondition-required");
}

#[test]
fn a_reader_that_has_the_version_is_told_so() {
    for (lines, known) in [
        (vec![], false),
        (vec!["*"], true),
        (vec!["\"7\""], true),
        (vec!["W/\"7\""], true),
        (vec!["\"6\", \"7\""], true),
        (vec!["\"6\"", "\"7\""], true),
        (vec!["\"6\""], false),
        (vec!["7"], false),
        (vec!["\"7\" nonsense"], false),
    ] {
        let mut request = request(&header::IF_NONE_MATCH, &lines);
        request.set_method(Method::GET);
        let condition = read(&request).unwrap();
        let knows = is_known(&condition, 7, "it").unwrap();
        assert_eq!(knows, known, "{lines:?}");
        assert_eq!(has_page(&request, "7"), known, "{lines:?}");
    }
    let other = Condition {
        only: Some(Versions::Listed(vec![6])),
        not: Some(Versions::Any),
    };
    assert_eq!(
        is_known(&other, 7, "it").unwrap_err().kind().slug,
        "precondition-failed"
    );
}
