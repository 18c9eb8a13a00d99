//! What the stores of both services promise about their Redis Functions.

use std::collections::BTreeSet;
use std::path::Path;

use shared::redis::{Command, Reply};
use shared::store::Store;
use stack::private_store::PrivateStore;

/// The functions that every library has.
const COMMON: [&str; 2] = ["move_checkpoint", "set_identity"];

/// The names of the functions in a store.
///
/// # Panics
///
/// When the store does not answer.
pub async fn names(private: &PrivateStore) -> BTreeSet<String> {
    let list = private.ask(Command::new("FUNCTION").arg("LIST")).await;
    let mut names = BTreeSet::new();
    for library in list.list().expect("a list of libraries") {
        let functions = library.field("functions").and_then(Reply::list);
        for function in functions.expect("a list of functions") {
            let name = function.field("name").and_then(Reply::text);
            names.insert(name.expect("the name of a function"));
        }
    }
    names
}

/// Asserts that the functions of a store are the Lua files of the crate in this folder, and those
/// that every library has.
///
/// # Panics
///
/// When the store has other functions.
pub async fn assert_are_lua_files(private: &PrivateStore, store: &Store, folder: &str) {
    let files = std::fs::read_dir(Path::new(folder).join("src/lua")).expect("a folder of Lua");
    let files = files.filter_map(|file| {
        // Beside the files is a folder of what the files share.
        let name = file.expect("a file").file_name().into_string();
        Some(name.ok()?.strip_suffix(".lua")?.to_owned())
    });
    let library = store.library();
    let all = files.chain(COMMON.map(str::to_owned));
    let expected: BTreeSet<_> = all.map(|name| format!("{name}_{library}")).collect();
    assert_eq!(names(private).await, expected);
}

/// Asserts that a store without identity refuses every function.
///
/// # Panics
///
/// When a function did anything else.
pub async fn assert_refused_without_identity(private: &PrivateStore) {
    for name in names(private).await {
        let call = Command::new("FCALL").arg(name.as_str()).arg(1);
        let error = private.operator.run(call.key("identity")).await;
        let error = error.expect_err("the function checks the identity");
        assert!(error.to_string().contains("NOIDENTITY"), "{name}: {error}");
    }
}
