//! A checkpoint as the function `move_checkpoint` writes it.

use std::fmt;
use std::str::FromStr;

use super::Checkpoint;
use crate::contract::entry_id::InvalidEntryId;

impl FromStr for Checkpoint {
    type Err = InvalidEntryId;

    fn from_str(text: &str) -> Result<Self, InvalidEntryId> {
        let mut words = text.split(' ');
        let mut word = || words.next().ok_or(InvalidEntryId);
        let (id, count) = (
            word()?.parse()?,
            word()?.parse().map_err(|_| InvalidEntryId)?,
        );
        let (open, _middle, earlier) = (word()?.parse()?, word()?, word()?.parse()?);
        Ok(Self {
            id,
            count,
            open,
            earlier,
        })
    }
}

impl fmt::Display for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            id,
            count,
            open,
            earlier,
        } = self;
        write!(f, "{id} {count} {open} {id} {earlier}")
    }
}
