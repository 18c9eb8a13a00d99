//! What is tried, and what came of it.

use std::fmt;

use crate::invocation::Invocation;

/// A call, and what its keys and arguments are.
#[derive(Clone, Debug, Default)]
pub struct Subject {
    /// The call, which changes something on the store of the bench.
    pub invocation: Invocation,
    /// Keys that the function builds itself, beside those of the call.
    pub derived: Vec<String>,
    /// Keys whose damage does not keep the function from the rest of what it does.
    pub optional: Vec<String>,
    /// The places of arguments that it reads as whole numbers.
    pub numbers: Vec<usize>,
    /// The places of arguments that it takes for numbers, and writes down as they are.
    pub passed_on: Vec<usize>,
    /// Whole numbers in the store that it reads: a hash, and the field in it.
    pub counts: Vec<(String, &'static str)>,
    /// Those that it reads in a line: the key, and the place of the word.
    pub words: Vec<(String, usize)>,
    /// Longer ones, to which it has Redis add.
    pub sums: Vec<(String, &'static str)>,
}

/// How many calls there were, and how many of them were answered an error.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    /// All.
    pub cases: usize,
    /// Those that were refused.
    pub refused: usize,
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
