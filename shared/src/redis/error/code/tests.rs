use super::*;

#[test]
fn a_refusal_has_words_and_its_code() {
    let explained = |answer: &str| Code::of(answer).unwrap().explain(answer);
    let text = "OOM command not allowed when used memory > 'maxmemory'.";
    assert_eq!(
        explained(text),
        "its server has no memory left for changes (OOM)"
    );
    let text = "NOIDENTITY this store has lost its data";
    assert_eq!(explained(text), "this store has lost its data (NOIDENTITY)");
    assert_eq!(explained("UNKNOWN s3cret"), "UNKNOWN");
}

#[test]
fn a_code_is_a_whole_word_in_capitals() {
    for (answer, code) in [
        ("BUSY a script", Some(Code::Busy)),
        ("BUSYGROUP it exists", Some(Code::BusyGroup)),
        ("BUSYKEY it exists", Some(Code::Other)),
        ("ERR no such key", Some(Code::NoSuchKey)),
        ("ERR no such keys", Some(Code::Err)),
        ("UNKNOWN s3cret", Some(Code::Other)),
        ("Request timed out.", None),
        ("", None),
    ] {
        assert_eq!(Code::of(answer), code, "{answer}");
    }
}

#[test]
fn each_code_has_one_row() {
    for (text, code, ..) in &ANSWERS {
        assert_eq!(Code::of(text), Some(*code), "{text}");
        assert_eq!(code.row().unwrap().0, *text);
    }
}
