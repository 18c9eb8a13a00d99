//! Cuts lines that are too long. A cut line says how long it was.

use std::borrow::Cow;

use serde_json::{Map, Value};

/// The longest line, in bytes.
pub const MAX_LINE_BYTES: usize = 8 * 1024;
/// Bytes that are left free for the note of how long the line was.
const SUFFIX_BYTES: usize = 64;
/// Lengths in bytes to which the texts of a JSON line are cut. They are tried in turn until it
/// fits.
const TEXT_BYTES: [usize; 4] = [4 * 1024, 1024, 128, 16];
/// The longest escape sequence that sets a colour, in bytes.
const COLOR_BYTES: usize = 8;
const ESCAPE: u8 = 0x1b;

/// A line of text with its end, cut to [`MAX_LINE_BYTES`].
pub fn cut_text(line: &str) -> Cow<'_, str> {
    if line.len() <= MAX_LINE_BYTES {
        return Cow::Borrowed(line);
    }
    let mut kept = &line[..line.floor_char_boundary(MAX_LINE_BYTES - SUFFIX_BYTES)];
    let tail = kept.len().saturating_sub(COLOR_BYTES);
    if let Some(start) = kept.as_bytes()[tail..]
        .iter()
        .rposition(|byte| *byte == ESCAPE)
    {
        // Half an escape sequence would swallow the characters after it.
        kept = &kept[..tail + start];
    }
    let reset = if kept.as_bytes().contains(&ESCAPE) {
        "\x1b[0m"
    } else {
        ""
    };
    Cow::Owned(format!(
        "{kept}{reset}… (cut: it had {} bytes)\n",
        line.len()
    ))
}

/// A line that is one JSON object, with its end, cut to [`MAX_LINE_BYTES`]. Its texts are cut, and
/// the field `cut_from_bytes` says how long the line was.
pub fn cut_json(line: &str) -> Cow<'_, str> {
    if line.len() <= MAX_LINE_BYTES {
        return Cow::Borrowed(line);
    }
    let Ok(mut fields) = serde_json::from_str::<Map<String, Value>>(line) else {
        return cut_text(line);
    };
    fields.insert("cut_from_bytes".to_owned(), line.len().into());
    for longest in TEXT_BYTES {
        fields
            .values_mut()
            .for_each(|value| cut_value(value, longest));
        let shorter = Value::Object(fields.clone()).to_string();
        if shorter.len() < MAX_LINE_BYTES {
            return Cow::Owned(shorter + "\n");
        }
    }
    // Only field names can still be too long, and no field of this code has such a name.
    Cow::Owned(format!("{{\"cut_from_bytes\":{}}}\n", line.len()))
}

fn cut_value(value: &mut Value, longest: usize) {
    match value {
        Value::String(text) if text.len() > longest => {
            text.truncate(text.floor_char_boundary(longest));
            text.push('…');
        }
        Value::Array(values) => values
            .iter_mut()
            .for_each(|value| cut_value(value, longest)),
        Value::Object(fields) => fields
            .values_mut()
            .for_each(|value| cut_value(value, longest)),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters_and_colours_and_says_so() {
        for shift in 0..20 {
            let text = format!(
                "{}{}",
                "x".repeat(shift),
                "\x1b[32mü\x1b[0m".repeat(100_000)
            );
            let cut = cut_text(&text);
            assert!(
                cut.len() <= MAX_LINE_BYTES && cut.len() > MAX_LINE_BYTES - 100,
                "{}",
                cut.len()
            );
            let (kept, end) = cut.split_once('…').unwrap();
            assert!(kept.ends_with("\x1b[0m"), "{kept}");
            assert_eq!(kept.matches('\x1b').count(), kept.matches('m').count());
            assert_eq!(end, format!(" (cut: it had {} bytes)\n", text.len()));
        }
        assert_eq!(cut_text("short\n"), "short\n");
    }

    #[test]
    fn a_json_line_stays_json_whatever_is_long_in_it() {
        let (long, control) = ("ü\"".repeat(300_000), "\u{1}".repeat(1_000_000));
        let many: Map<String, Value> = (0..32)
            .map(|number| (format!("field_{number}"), control.clone().into()))
            .collect();
        for fields in [
            serde_json::json!({"level": "WARN", "message": long}),
            serde_json::json!({"message": control, "n": 7}),
            serde_json::json!({"message": "short", "list": [{"text": long}], "n": 7}),
            Value::Object(many),
        ] {
            let line = fields.to_string() + "\n";
            let cut = cut_json(&line);
            assert!(
                cut.len() <= MAX_LINE_BYTES && cut.ends_with("}\n"),
                "{}",
                cut.len()
            );
            let shorter: Map<String, Value> = serde_json::from_str(&cut).unwrap();
            assert_eq!(shorter["cut_from_bytes"], line.len());
            assert_eq!(shorter.len(), fields.as_object().unwrap().len() + 1);
        }
    }
}
