//! `just bench` measures the whole system, which `stack` starts privately. Beside each figure it
//! measures a limit of the same machine at that moment: a bare HTTP server with the same answers,
//! or a bare client that sends the same commands to the stores. Read the ratios: absolute numbers
//! depend on the machine.
//!
//! In reading order:
//!
//! - [`options`] is the command line.
//! - [`measure`] has one module for each kind of measurement. [`rig`] is the measured system, with
//!   an [`operator`] for each server of its stores.
//! - [`stack::load`] generates requests, and [`catalogue`] the products that they order.
//! - [`limits`] measures the limits of the machine.
//! - [`machine`], [`monitor`] and [`calls`] measure what an order costs.
//! - [`figure`], [`mod@report`] and [`compare`] turn the measurements into tables.
//! - [`revision`] builds another revision to compare with.

mod calls;
mod catalogue;
mod compare;
mod figure;
mod limits;
mod machine;
mod measure;
mod monitor;
mod operator;
mod options;
mod paid_to_taken;
mod report;
mod revision;
mod rig;

use std::fs;
use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use serde::Serialize;
use stack::binaries::{Binaries, Build};

use crate::compare::Change;
use crate::figure::{Sheet, rows};
use crate::options::{Cli, Helper, Options};
use crate::report::Report;

/// The exit status if a figure became worse.
const REGRESSION: u8 = 3;

/// One of the revisions that are measured.
struct Side {
    revision: String,
    binaries: Binaries,
    sheets: Vec<Sheet>,
}

/// The content of the JSON file.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(flatten)]
    report: &'a Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    before: Option<&'a Report>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    changes: Vec<Change>,
}

fn main() -> ExitCode {
    let Cli { helper, options } = Cli::parse();
    let outcome = match helper {
        Some(Helper::Answer { port, answer }) => {
            limits::answer(port, &answer).map(|()| ExitCode::SUCCESS)
        }
        None => run(&options),
    };
    outcome.unwrap_or_else(|error| {
        say(&format!("bench: {error:#}"));
        ExitCode::FAILURE
    })
}

fn run(options: &Options) -> Result<ExitCode> {
    say("building the services");
    let binaries = Build::show(false)?;
    let mut sides = Vec::new();
    if let Some(revision) = &options.compare {
        let (revision, binaries) = revision::build(revision, &binaries)?;
        sides.push(Side {
            revision,
            binaries,
            sheets: Vec::new(),
        });
    }
    sides.push(Side {
        revision: revision::current(),
        binaries,
        sheets: Vec::new(),
    });
    for round in 1..=options.rounds {
        for side in &mut sides {
            let revision = side.revision.clone();
            let mut tell = |what: &str| {
                say(&format!(
                    "round {round} of {}, {revision}: {what}",
                    options.rounds
                ));
            };
            side.sheets
                .push(measure::round(options, &side.binaries, &mut tell)?);
        }
    }
    let reports: Vec<Report> = sides.iter().map(|side| report(side, options)).collect();
    conclude(&reports, options)
}

fn report(side: &Side, options: &Options) -> Report {
    Report {
        revision: side.revision.clone(),
        store: side
            .sheets
            .last()
            .map(|sheet| sheet.store.clone())
            .unwrap_or_default(),
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        fsync: options.fsync.word(),
        release: !cfg!(debug_assertions),
        rounds: side.sheets.len(),
        figures: rows(&side.sheets),
    }
}

/// Prints the results. The last report is that of the present tree.
fn conclude(reports: &[Report], options: &Options) -> Result<ExitCode> {
    let (now, before) = reports.split_last().context("nothing was measured")?;
    let before = before.first();
    let changes = before.map_or_else(Vec::new, |it| compare::changes(&it.figures, &now.figures));
    let table = match before {
        Some(before) => compare::table(&changes, &before.revision),
        None => now.table() + &now.legend(),
    };
    // If the reader has closed the pipe, it does not want more lines.
    let _ = std::io::stdout().lock().write_all(table.as_bytes());
    now.warnings().iter().for_each(|warning| say(warning));
    let regressed = compare::has_regressed(&changes);
    if let Some(file) = &options.json {
        let document = Document {
            report: now,
            before,
            changes,
        };
        let text = serde_json::to_string_pretty(&document)?;
        fs::write(file, text).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(if regressed {
        ExitCode::from(REGRESSION)
    } else {
        ExitCode::SUCCESS
    })
}

/// Writes progress to standard error; only the table goes to standard output.
fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
