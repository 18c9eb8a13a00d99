//! The two services that own a store.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::project;

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

    /// The file with the users of other teams in this store. Git ignores the file, and a checkout
    /// has it only if a person made it: see `docs/events.md`.
    pub fn readers(self) -> PathBuf {
        let folder = project::root().join("deploy/acl/readers");
        folder.join(format!("{}-store.acl", self.name()))
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

/// The users in the file of other teams; empty without the file.
pub(super) fn of_readers(path: Option<&Path>) -> Result<String> {
    let Some(path) = path else {
        return Ok(String::new());
    };
    match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        text => text.with_context(|| format!("cannot read {}", path.display())),
    }
}
