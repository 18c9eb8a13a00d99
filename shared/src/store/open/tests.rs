use super::*;

fn refused(code: Code, message: &str) -> RedisError {
    let message = message.to_owned();
    RedisError::Refused { code, message }
}

#[test]
fn only_an_err_about_the_functions_ends_the_attempts_to_open() {
    let errors = [
        (refused(Code::Err, "ERR Error compiling function"), true),
        (refused(Code::Other, "NEWCODE of a later server"), false),
        (refused(Code::WrongType, "WRONGTYPE a key"), false),
        (RedisError::not_now(Code::LoadTimeout, "ERR"), false),
        (RedisError::not_now(Code::Loading, "LOADING"), false),
        (RedisError::not_now(Code::MasterDown, "MASTERDOWN"), false),
        (RedisError::not_now(Code::ReadOnly, "READONLY"), false),
        (RedisError::not_now(Code::Busy, "BUSY"), false),
        (RedisError::not_now(Code::ClusterDown, "CLUSTERDOWN"), false),
        (RedisError::not_now(Code::TryAgain, "TRYAGAIN"), false),
        (RedisError::not_now(Code::Oom, "OOM"), false),
        (RedisError::not_now(Code::MisConf, "MISCONF"), false),
        (RedisError::not_now(Code::NoReplicas, "NOREPLICAS"), false),
        (RedisError::not_now(Code::NoPerm, "NOPERM"), false),
        (RedisError::unknown("no answer in time"), false),
        (RedisError::malformed("a reply", "odd"), false),
    ];
    for (error, is_final) in errors {
        let text = format!("{error:?}");
        assert_eq!(never_loads(error).is_final(), is_final, "{text}");
    }
}
