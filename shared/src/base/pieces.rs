//! Splits short texts, such as paths and the lines of a store.

/// The pieces of a text between bytes `AT`, as `str::split` finds them.
///
/// `str::split` searches each piece with code that is made for long texts. Here a piece has a few
/// bytes, and a plain loop over them takes a third of the instructions.
#[derive(Clone, Debug)]
pub struct Pieces<'a, const AT: u8>(Option<&'a str>);

impl<'a, const AT: u8> Pieces<'a, AT> {
    /// The pieces of `text`.
    pub fn of(text: &'a str) -> Self {
        // Any other byte may stand inside a character.
        const { assert!(AT.is_ascii()) };
        Self(Some(text))
    }

    /// All that follows the pieces that were taken; `None` after the last piece.
    pub fn rest(self) -> Option<&'a str> {
        self.0
    }
}

impl<'a, const AT: u8> Iterator for Pieces<'a, AT> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let text = self.0?;
        let Some(end) = text.bytes().position(|byte| byte == AT) else {
            return self.0.take();
        };
        self.0 = Some(&text[end + 1..]);
        Some(&text[..end])
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_text_has_the_same_pieces_as_in_the_standard_library(text in "[ aé]{0,9}", taken in 0usize..6) {
            let mut pieces = Pieces::<b' '>::of(&text);
            prop_assert_eq!(pieces.clone().collect::<Vec<_>>(), text.split(' ').collect::<Vec<_>>());
            let before: Vec<_> = pieces.by_ref().take(taken).collect();
            let all: Vec<_> = before.into_iter().chain(pieces.rest()).collect();
            prop_assert_eq!(all, text.splitn(taken + 1, ' ').collect::<Vec<_>>());
        }
    }
}
