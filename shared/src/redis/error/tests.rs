use fred::error::{Error, ErrorKind};

use super::*;

/// `fred` answers so only while its queue is full, before it takes the command.
#[test]
fn a_command_that_was_not_sent_did_nothing_and_no_server_answered_it() {
    let error = RedisError::from(Error::new(
        ErrorKind::Backpressure,
        "Max in-flight commands.",
    ));
    assert!(error.did_nothing() && error.is(Code::Crowded), "{error:?}");
    assert!(!error.is_answer(), "the store may be away");
    let text = "the store refuses: too many commands wait for it already (CROWDED)";
    assert_eq!(error.to_string(), text);
    let error = RedisError::from(Error::new(ErrorKind::Timeout, "Request timed out."));
    assert!(!error.did_nothing(), "{error:?}");
}
