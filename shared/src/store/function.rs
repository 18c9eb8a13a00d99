//! Function libraries: the Lua of a service, loaded into its store and called by name.

use std::collections::BTreeMap;

use crate::base::digest::digest;
use crate::contract::limits::{MAX_SKEW, MIN_RECORD_RETENTION};
use crate::redis::{Arg, Code, Command, Redis, RedisError, Reply};
use crate::store::partition::Partition;

/// What every library begins with: registration with the identity check, clock and RFC 3339.
const PRELUDE: &str = include_str!("lua/prelude.lua");
/// The functions that every library has.
const COMMON: [&str; 2] = [
    include_str!("lua/move_checkpoint.lua"),
    include_str!("lua/set_identity.lua"),
];
/// The text before the name of each function in the code.
const REGISTER: &str = "\nregister('";
/// Hexadecimal digits of the hash in a name. At 48 bits no two builds share a hash by chance.
pub(crate) const HASH_DIGITS: usize = 12;

/// The key with the identity of a store. Every function takes it as its first key.
pub const IDENTITY: &str = "identity";

/// The last key of a call to a partitioned store. The key never exists.
///
/// While a cluster moves a slot, it refuses a whole call if one of its keys is absent. Without this
/// key, a function could run on a node that has only a part of the keys, and take the others for
/// missing.
const ABSENT: &str = "absent";

/// The functions of one service in one build.
///
/// The name of the library and the name of every function carry a hash of all code. So two builds
/// run side by side on one store, and two services on one server. Neither replaces a function of
/// the other.
#[derive(Clone, Debug)]
pub struct Library {
    name: String,
    code: String,
    /// From the name of a file to the name of its function in the store. The names are made once,
    /// and a call only refers to them.
    functions: BTreeMap<String, Arg>,
}

/// The keys and arguments of one call.
#[derive(Debug)]
pub struct Call {
    function: &'static str,
    keys: Vec<String>,
    args: Vec<Arg>,
}

impl Library {
    /// Joins the Lua files of a service into one library, for stores of the layout with this
    /// version.
    pub(crate) fn new(service: &str, layout: u32, files: &[&str]) -> Self {
        let mut body = format!(
            "local SERVICE, LAYOUT = '{service}', {layout}\n\
             local MAX_SKEW_MS, MIN_RECORD_RETENTION_MS = {}, {}\n",
            MAX_SKEW.as_millis(),
            MIN_RECORD_RETENTION.as_millis()
        );
        body += PRELUDE;
        // Each file is a block, whose locals end with it. So files do not see each other's locals,
        // and Lua's limit of 200 locals at a time stays far away.
        for file in COMMON.iter().chain(files) {
            body.extend(["\ndo\n", file, "\nend"]);
        }
        let hash = &digest(&body)[..HASH_DIGITS];
        let functions = body
            .split(REGISTER)
            .skip(1)
            .filter_map(|rest| rest.split('\'').next());
        let functions = functions.map(|function| {
            (
                function.to_owned(),
                format!("{function}_{service}_{hash}").into(),
            )
        });
        let functions = functions.collect();
        let name = format!("{service}_{hash}");
        let code = format!("#!lua name={name}\nlocal BUILD = '{name}'\n{body}");
        Self {
            name,
            code,
            functions,
        }
    }

    /// The name of the library in a store: the service, and a hash of all code.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Loads the library on the node that owns `partition`. Replacing a library of the same name
    /// changes nothing, because the name has a hash of the code.
    pub async fn load(&self, redis: &Redis, partition: Partition) -> Result<(), RedisError> {
        let load = Command::new("FUNCTION")
            .arg("LOAD")
            .arg("REPLACE")
            .arg(self.code.as_str());
        redis
            .run(load.to_owner_of(&partition.key(IDENTITY)))
            .await?;
        tracing::debug!(library = self.name, "functions loaded");
        Ok(())
    }

    /// Calls a function. Answers only what a failover will not undo ([`Redis::run_confirmed`]).
    ///
    /// A store may have lost its functions (`FUNCTION FLUSH`, a new primary). Then they are loaded
    /// again and the call is repeated, because the first attempt cannot have changed anything.
    pub async fn call(
        &self,
        redis: &Redis,
        partition: Partition,
        call: &Call,
    ) -> Result<Reply, RedisError> {
        match redis.run_confirmed(self.command(partition, call)).await {
            Err(error) if error.is(Code::NoSuchFunction) => {
                tracing::warn!(
                    library = self.name,
                    "the store had lost its functions: loading them"
                );
                self.load(redis, partition).await?;
                redis
                    .run_confirmed(self.command(partition, call))
                    .await
                    .map_err(not_yet)
            }
            reply => reply,
        }
    }

    fn command(&self, partition: Partition, call: &Call) -> Command {
        let absent = partition
            .index()
            .map(|_| partition.key_of(IDENTITY, ABSENT));
        let keys = 1 + call.keys.len() + usize::from(absent.is_some());
        let name = self
            .functions
            .get(call.function)
            .cloned()
            .unwrap_or(call.function.into());
        Command::new("FCALL")
            .arg(name)
            .arg(i64::try_from(keys).unwrap_or(i64::MAX))
            .key(partition.key(IDENTITY))
            .args(call.keys.iter().map(String::as_str))
            .args(absent)
            .args(call.args.iter().cloned())
    }
}

/// The part of an identity that names this service and layout. The functions look for the same text
/// (`lua/prelude.lua`).
pub(crate) fn belongs(service: &str, version: u32) -> String {
    format!(" {service} {version} ")
}

/// The error of the second attempt. If the functions are missing again after they were loaded, the
/// slot has just moved to another node, so a later attempt may succeed.
fn not_yet(error: RedisError) -> RedisError {
    if error.is(Code::NoSuchFunction) {
        RedisError::unknown(error.to_string())
    } else {
        error
    }
}

impl Call {
    /// A call of `function`, named as its file is.
    pub fn new(function: &'static str) -> Self {
        Self {
            function,
            keys: Vec::new(),
            args: Vec::new(),
        }
    }

    /// Adds a key. The identity key is added in front automatically.
    #[must_use]
    pub fn key(mut self, key: String) -> Self {
        self.keys.push(key);
        self
    }

    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl Into<Arg>) -> Self {
        self.args.push(arg.into());
        self
    }

    /// Adds the text of an argument.
    #[must_use]
    pub fn text(self, arg: impl std::fmt::Display) -> Self {
        self.arg(arg.to_string())
    }
}
