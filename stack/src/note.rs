//! Messages of this program for the person at the terminal.

/// Writes a line to standard error. If the reader does not take the line, it is dropped after a
/// moment.
pub fn note(text: &str) {
    shared::service::cli::note(&format_args!("stack: {text}"));
}
