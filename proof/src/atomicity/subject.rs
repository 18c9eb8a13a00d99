//! A call to spoil, and the count of its results.

use std::fmt;

use crate::invocation::Invocation;

/// A call, with the meaning of its keys and arguments.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// The call, which changes something in the unspoiled store.
    pub invocation: Invocation,
    /// Further keys, whose names the function builds itself.
    pub derived: Vec<String>,
    /// Keys whose damage does not keep the function from doing all the rest.
    pub optional: Vec<String>,
    /// The positions of arguments that the function reads as whole numbers.
    pub numbers: Vec<usize>,
    /// The positions of arguments that the function checks as numbers, and stores as they are.
    pub passed_on: Vec<usize>,
    /// Whole numbers in lines that the function reads: the key and the position of the word.
    pub words: Vec<(String, usize)>,
    /// Longer numbers in hashes, to which Redis adds for the function: the key and the field.
    pub sums: Vec<(String, &'static str)>,
}

/// The number of calls, and the number that were answered with an error.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// The number of all calls.
    pub cases: usize,
    /// The number of refused calls.
    pub refused: usize,
}

impl Subject {
    /// A call that does all the rest if the stream `changes` is damaged.
    pub fn of(invocation: Invocation) -> Self {
        Self {
            invocation,
            optional: vec!["changes".to_owned()],
            ..Self::default()
        }
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} calls ({} refused)", self.cases, self.refused)
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.cases += other.cases;
        self.refused += other.refused;
    }
}
