//! Messages of this program for the person at the terminal.

use std::io::{self, Write};

/// Says a line on standard error. Where nobody reads it, nothing is lost but the line.
pub fn note(text: &str) {
    let _ = writeln!(io::stderr(), "stack: {text}");
}
