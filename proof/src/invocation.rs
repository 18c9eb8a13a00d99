//! A call of a function as plain texts, so that a test can change its keys and arguments.

use shared::store::function::Call;

/// The keys and arguments of one call of a function. The identity key is added by itself.
#[derive(Clone, Debug, Default)]
pub struct Invocation {
    /// The name of the function, which is the name of its Lua file.
    pub function: &'static str,
    /// Its keys.
    pub keys: Vec<String>,
    /// Its arguments.
    pub args: Vec<String>,
}

impl Invocation {
    /// A call of `function` without keys and arguments.
    pub fn new(function: &'static str) -> Self {
        Self {
            function,
            ..Self::default()
        }
    }

    /// Adds a key.
    #[must_use]
    pub fn key(mut self, key: String) -> Self {
        self.keys.push(key);
        self
    }

    /// Adds the text of an argument.
    #[must_use]
    pub fn arg(mut self, arg: impl std::fmt::Display) -> Self {
        self.args.push(arg.to_string());
        self
    }

    /// The call as a service makes it.
    pub fn call(&self) -> Call {
        let call = self
            .keys
            .iter()
            .cloned()
            .fold(Call::new(self.function), Call::key);
        self.args
            .iter()
            .fold(call, |call, arg| call.arg(arg.as_str()))
    }
}
