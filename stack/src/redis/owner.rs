//! The two services that own a store.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

/// The service that owns a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// inventory, with products, stock and the stream `refund_order`.
    Inventory,
    /// payments, with orders and the stream `order_completed`.
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

    /// The ACL file of the store: from `folder` if it is given, or else that of this revision.
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
