//! Messages of this program for the person at the terminal.

/// Says a line on standard error. Where nobody reads it, the line is lost after a moment.
pub fn note(text: &str) {
    shared::service::cli::note(&format_args!("stack: {text}"));
}
