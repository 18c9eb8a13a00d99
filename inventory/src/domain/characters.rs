//! Characters that a text must not have, and characters that show nothing.

/// Characters that no text may have, in order: controls, separators of lines and paragraphs, and
/// bidirectional controls (Unicode: `Bidi_Control`). A bidirectional control turns the direction of
/// writing around, so that a text looks like another one.
pub const FORBIDDEN: &[(char, char)] = &[
    ('\0', '\u{1f}'),
    ('\u{7f}', '\u{9f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{200e}', '\u{200f}'),
    ('\u{2028}', '\u{202e}'),
    ('\u{2066}', '\u{2069}'),
];

/// Characters that show nothing, in order: white space, characters that a font may leave out
/// (Unicode: `White_Space` and `Default_Ignorable_Code_Point`), the marks around annotations, and
/// the Braille pattern without dots. A text may have them beside visible characters: a joiner holds
/// an emoji together, and a non-joiner keeps Persian letters apart.
pub const INVISIBLE: &[(char, char)] = &[
    ('\t', '\r'),
    (' ', ' '),
    ('\u{85}', '\u{85}'),
    ('\u{a0}', '\u{a0}'),
    ('\u{ad}', '\u{ad}'),
    ('\u{34f}', '\u{34f}'),
    ('\u{61c}', '\u{61c}'),
    ('\u{115f}', '\u{1160}'),
    ('\u{1680}', '\u{1680}'),
    ('\u{17b4}', '\u{17b5}'),
    ('\u{180b}', '\u{180f}'),
    ('\u{2000}', '\u{200f}'),
    ('\u{2028}', '\u{202f}'),
    ('\u{205f}', '\u{206f}'),
    ('\u{2800}', '\u{2800}'),
    ('\u{3000}', '\u{3000}'),
    ('\u{3164}', '\u{3164}'),
    ('\u{fe00}', '\u{fe0f}'),
    ('\u{feff}', '\u{feff}'),
    ('\u{ffa0}', '\u{ffa0}'),
    ('\u{fff0}', '\u{fffb}'),
    ('\u{1bca0}', '\u{1bca3}'),
    ('\u{1d173}', '\u{1d17a}'),
    ('\u{e0000}', '\u{e0fff}'),
];

/// Whether one of the ranges, which are in order, has the character.
pub(super) fn has(ranges: &[(char, char)], character: char) -> bool {
    let before = ranges.partition_point(|(_, last)| *last < character);
    ranges
        .get(before)
        .is_some_and(|(first, _)| *first <= character)
}

#[cfg(test)]
mod tests {
    use icu_properties::CodePointSetData;
    use icu_properties::props::{BidiControl, DefaultIgnorableCodePoint, WhiteSpace};

    use super::*;

    #[test]
    fn the_ranges_are_those_of_unicode() {
        let white = CodePointSetData::new::<WhiteSpace>();
        let ignorable = CodePointSetData::new::<DefaultIgnorableCodePoint>();
        let bidi = CodePointSetData::new::<BidiControl>();
        for character in '\0'..=char::MAX {
            let more = matches!(character, '\u{2800}' | '\u{fff9}'..='\u{fffb}');
            let invisible = white.contains(character) || ignorable.contains(character) || more;
            assert_eq!(has(INVISIBLE, character), invisible, "{character:?}");
            let lines = matches!(character, '\u{2028}' | '\u{2029}');
            let forbidden = character.is_control() || bidi.contains(character) || lines;
            assert_eq!(has(FORBIDDEN, character), forbidden, "{character:?}");
        }
    }
}
