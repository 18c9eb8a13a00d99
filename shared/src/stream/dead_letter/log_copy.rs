//! Writes a dead letter that leaves the store to the log: whole, in as many lines as needed.

use std::time::Duration;

use super::letter;
use crate::base::telemetry::{ONLY_COPY, confirmed};
use crate::redis::Entry;

/// One line of the log.
struct Line<'a> {
    letter: &'a str,
    piece: usize,
    pieces: usize,
    fields: String,
}

/// The most bytes of a dead letter in one line of the log, with escapes. The log cuts a line of
/// more than 8 KiB.
const PIECE: usize = 7 * 1024;
/// Bytes of dead letters that are handed to the log before the writer waits for it. The queue of
/// the log takes four times as many.
const CONFIRMED_BYTES: usize = 256 * 1024;
/// How long the log may take to be written.
const CONFIRM_LIMIT: Duration = Duration::from_millis(500);

/// Writes dead letters to the log, oldest first. Answers how many of them the log has written.
pub(super) async fn write(page: &[Entry]) -> usize {
    let (mut lines, mut bytes, mut ended, mut written) = (Vec::new(), 0, 0, 0);
    for letter in page {
        let fields = letter::as_json(letter.fields.as_deref().unwrap_or_default()).to_string();
        let pieces = pieces(&fields);
        for (piece, fields) in (1..).zip(&pieces) {
            let more = shown_bytes(fields);
            if bytes + more > CONFIRMED_BYTES {
                if !write_lines(std::mem::take(&mut lines)).await {
                    return written;
                }
                (bytes, written) = (0, ended);
            }
            bytes += more;
            let (letter, fields) = (letter.id.as_str(), (*fields).to_owned());
            lines.push(Line {
                letter,
                piece,
                pieces: pieces.len(),
                fields,
            });
        }
        ended += 1;
    }
    if write_lines(lines).await {
        ended
    } else {
        written
    }
}

/// Writes lines. Answers whether the log has written all of them in time.
async fn write_lines(lines: Vec<Line<'_>>) -> bool {
    let say = || {
        for Line {
            letter: dead_letter,
            piece,
            pieces,
            fields,
        } in &lines
        {
            tracing::warn!(
                target: ONLY_COPY, dead_letter, piece, pieces, fields,
                "a dead letter leaves the store"
            );
        }
    };
    confirmed(CONFIRM_LIMIT, say).await
}

/// Cuts a text into parts that take at most [`PIECE`] bytes of a line each.
fn pieces(text: &str) -> Vec<&str> {
    let (mut pieces, mut start, mut bytes) = (Vec::new(), 0, 0);
    for (at, character) in text.char_indices() {
        let more = shown_char_bytes(character);
        if bytes + more > PIECE {
            pieces.push(&text[start..at]);
            (start, bytes) = (at, 0);
        }
        bytes += more;
    }
    pieces.push(&text[start..]);
    pieces
}

fn shown_bytes(text: &str) -> usize {
    text.chars().map(shown_char_bytes).sum()
}

/// Bytes that a character takes in a line of either format: quotes, backslashes and what cannot be
/// printed are escaped.
fn shown_char_bytes(character: char) -> usize {
    character.escape_debug().len().max(character.len_utf8())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pieces_of_a_text_are_the_text_and_short_however_they_are_escaped() {
        for text in [
            "", "x", "\"\\é\n", "\u{7f}", "\u{80}", "\u{300}", "\u{200b}",
        ] {
            let text = text.repeat(5_000);
            let pieces = pieces(&text);
            assert_eq!(pieces.concat(), text);
            assert!(
                pieces
                    .iter()
                    .all(|piece| format!("{piece:?}").len() <= PIECE + 2)
            );
        }
    }
}
