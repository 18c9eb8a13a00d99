//! One module per verb of the command line.

pub(crate) mod exec_child;
pub(crate) mod up;
