//! `stack exec-child`: see `stack::guard`.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, ValueEnum};
use stack::guard::{self, Farewell};

#[derive(Args)]
pub(crate) struct ExecChild {
    /// The signal that the program gets when its parent dies.
    signal: Word,
    /// The process id of the parent.
    parent: u32,
    /// The program and its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<OsString>,
}

#[derive(Clone, Copy, ValueEnum)]
enum Word {
    Term,
    Kill,
}

impl ExecChild {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let farewell = match self.signal {
            Word::Term => Farewell::Term,
            Word::Kill => Farewell::Kill,
        };
        match guard::exec(farewell, self.parent, &self.command)? {}
    }
}
