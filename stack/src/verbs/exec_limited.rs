//! `stack exec-limited`: see `stack::memory`.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::Result;
use clap::Args;
use stack::memory;

#[derive(Args)]
pub(crate) struct ExecLimited {
    /// The largest data segment of the program, in bytes.
    bytes: u64,
    /// The program and its arguments.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    command: Vec<OsString>,
}

impl ExecLimited {
    pub(crate) fn run(self) -> Result<ExitCode> {
        match memory::exec(self.bytes, &self.command)? {}
    }
}
