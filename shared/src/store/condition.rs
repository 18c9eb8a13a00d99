//! Conditions of a change: which version a thing must have, and which it must not have.
//!
//! A function checks the condition in the call that makes the change, so no other change comes
//! between the two. A thing that does not exist has no version. A function answers that the thing
//! is missing before it looks at the condition.

/// Which version a thing must have, and which it must not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The thing must have one of these versions; `None` admits every version.
    pub only: Option<Versions>,
    /// The thing must not have any of these versions; `None` excludes no version.
    pub not: Option<Versions>,
}

/// The versions that a client names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Versions {
    /// Every version.
    Any,
    /// These versions.
    Listed(Vec<u64>),
}

/// A version that no thing has: versions count from 1.
const NO_VERSION: &str = "0";

impl Condition {
    /// The condition that admits every version.
    pub const NONE: Self = Self {
        only: None,
        not: None,
    };

    /// Whether a change may be made to this version.
    pub fn admits(&self, version: u64) -> bool {
        self.requires(version) && !self.excludes(version)
    }

    /// Whether this is one of the versions that the thing must have.
    pub fn requires(&self, version: u64) -> bool {
        self.only.as_ref().is_none_or(|only| only.names(version))
    }

    /// Whether this is one of the versions that the thing must not have.
    pub fn excludes(&self, version: u64) -> bool {
        self.not.as_ref().is_some_and(|not| not.names(version))
    }

    /// The argument of a function: the versions that the thing must have, then an exclamation mark
    /// and the versions that it must not have. Each list is `*`, or numbers with commas in between.
    /// A list that the client did not give is left out.
    pub fn to_arg(&self) -> String {
        let only = self
            .only
            .as_ref()
            .map(|only| only.to_arg(NO_VERSION))
            .unwrap_or_default();
        match &self.not {
            None => only,
            Some(not) => format!("{only}!{}", not.to_arg("")),
        }
    }
}

impl Versions {
    fn names(&self, version: u64) -> bool {
        match self {
            Self::Any => true,
            Self::Listed(versions) => versions.contains(&version),
        }
    }

    fn to_arg(&self, none: &str) -> String {
        match self {
            Self::Any => "*".to_owned(),
            Self::Listed(versions) if versions.is_empty() => none.to_owned(),
            Self::Listed(versions) => versions
                .iter()
                .map(u64::to_string)
                .collect::<Vec<_>>()
                .join(","),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_headers_have_to_admit_a_version() {
        let listed = |versions: &[u64]| Some(Versions::Listed(versions.to_vec()));
        let any = || Some(Versions::Any);
        for (only, not, expected, arg) in [
            (None, None, true, ""),
            (any(), None, true, "*"),
            (listed(&[3, 7]), None, true, "3,7"),
            (listed(&[3]), None, false, "3"),
            (None, any(), false, "!*"),
            (None, listed(&[3, 7]), false, "!3,7"),
            (None, listed(&[3]), true, "!3"),
            (listed(&[7]), listed(&[7]), false, "7!7"),
            (any(), listed(&[]), true, "*!"),
        ] {
            let condition = Condition { only, not };
            assert_eq!(condition.admits(7), expected, "{condition:?}");
            assert_eq!(condition.to_arg(), arg);
        }
    }
}
