//! One module for each verb of the command line.

pub(crate) mod demo;
pub(crate) mod exec_child;
pub(crate) mod exec_limited;
pub(crate) mod order;
pub(crate) mod reconcile;
pub(crate) mod screen;
pub(crate) mod up;
