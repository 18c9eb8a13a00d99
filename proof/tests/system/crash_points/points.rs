//! The commands at which a process is killed.

/// The other end of a link.
pub(super) enum To {
    Store,
    OtherStore,
    Inventory,
}

/// A command of a process.
pub(super) struct Point {
    pub(super) process: &'static str,
    pub(super) to: To,
    pub(super) command: &'static str,
    /// A text that only an answer with a result has. Reads and timers also come back without a
    /// result.
    pub(super) telling: &'static str,
}

pub(super) const fn point(process: &'static str, to: To, command: &'static str) -> Point {
    Point {
        process,
        to,
        command,
        telling: "",
    }
}

pub(super) const POINTS: [Point; 12] = [
    point("payments serve", To::Inventory, "GET /products/"),
    point("payments serve", To::Store, "FCALL place_orders"),
    point("payments serve", To::Store, "FCALL cancel_order"),
    // The bulk string of an id: an order was paid.
    Point {
        telling: "$36\r\n",
        ..point("payments consume", To::Store, "FCALL complete_due")
    },
    Point {
        telling: "order_id",
        ..point("inventory consume", To::OtherStore, "XREADGROUP")
    },
    point("inventory consume", To::Store, "FCALL apply_orders"),
    point("inventory consume", To::OtherStore, "XACK"),
    Point {
        telling: "order_id",
        ..point("payments consume", To::OtherStore, "XREADGROUP")
    },
    point("payments consume", To::Store, "FCALL refund_orders"),
    point("payments consume", To::OtherStore, "XACK"),
    point("inventory serve", To::Store, "FCALL adjust_stock"),
    point("inventory serve", To::Store, "FCALL create_product"),
];
