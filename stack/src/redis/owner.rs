//! The two services that own a store.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// The service that owns a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// Products, stock, `refund_order`.
    Inventory,
    /// Orders, `order_completed`.
    Payments,
}

const INVENTORY_ACL: &str = include_str!("../../../deploy/acl/inventory-store.acl");
const PAYMENTS_ACL: &str = include_str!("../../../deploy/acl/payments-store.acl");

impl Owner {
    /// `inventory` or `payments`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Inventory => "inventory",
            Self::Payments => "payments",
        }
    }

    /// The users of the store: of this revision, or of the one whose ACL files are in `folder`.
    pub(super) fn acl(self, folder: Option<&Path>) -> Result<String> {
        let (name, shipped) = match self {
            Self::Inventory => ("inventory-store.acl", INVENTORY_ACL),
            Self::Payments => ("payments-store.acl", PAYMENTS_ACL),
        };
        folder.map_or_else(
            || Ok(shipped.to_owned()),
            |folder| {
                let path = folder.join(name);
                fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))
            },
        )
    }
}
