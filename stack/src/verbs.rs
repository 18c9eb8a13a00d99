//! One module per verb of the command line.

pub(crate) mod chaos;
pub(crate) mod demo;
pub(crate) mod exec_child;
pub(crate) mod exec_limited;
pub(crate) mod order;
pub(crate) mod reconcile;
pub(crate) mod up;
