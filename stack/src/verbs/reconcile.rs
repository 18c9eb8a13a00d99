//! `stack reconcile`: `payments reconcile` on the running system.

use std::convert::Infallible;
use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail};
use clap::Args;
use stack::ports::{Ports, offset_flag};
use stack::role::SETTINGS;
use stack::running;

use super::order;
use super::order::api;
use crate::verbs::screen::Screen;

#[derive(Args)]
pub(crate) struct Reconcile {
    /// The port offset of run-all, which is added to every port. This flag has to come first
    #[arg(long, value_name = "N", default_value_t = 0)]
    port_offset: u16,
    /// Flags of `payments reconcile`, such as --apply, --json or --since 2h
    #[arg(
        trailing_var_arg = true,
        allow_hyphen_values = true,
        value_name = "FLAGS"
    )]
    flags: Vec<OsString>,
}

impl Reconcile {
    pub(crate) fn run(self) -> Result<ExitCode> {
        let ports = Ports::standard(self.port_offset)?;
        let api = api(&ports, Screen::new(true))?;
        stack::runtime()?.block_on(order::check_running(&api, &ports, self.port_offset))?;
        match self.become_payments(&ports)? {}
    }

    /// Replaces this process by `payments reconcile`, whose exit status becomes that of this verb.
    fn become_payments(self, ports: &Ports) -> Result<Infallible> {
        let Some(payments) = running::payments(ports)? else {
            bail!(
                "this folder did not start the system on these ports; go where you typed \
                 `cargo run-all{}`, or in containers type `docker compose exec payments-serve payments reconcile`",
                offset_flag(self.port_offset)
            );
        };
        let mut command = Command::new(&payments.program);
        for name in SETTINGS {
            command.env_remove(name).env_remove(format!("{name}_FILE"));
        }
        command.envs(payments.env).arg("reconcile").args(self.flags);
        let error = command.exec();
        Err(error).with_context(|| format!("cannot run {}", payments.program.display()))
    }
}
