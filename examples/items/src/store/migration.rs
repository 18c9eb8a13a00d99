//! The layout of the store, and the steps by which this build migrates older layouts.

use shared::store::Layout;

/// The layout that this build reads and writes.
pub(super) const LAYOUT: Layout = Layout::first("items");
