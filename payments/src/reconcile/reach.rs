//! Whether both sides can be asked at all. A wrong address, or a variable that is not set, ends the
//! run at once. A side that goes away later is waited for.

use anyhow::bail;

use super::Reconciler;
use crate::inventory_client::InventoryError;

impl Reconciler {
    /// Asks both sides once, and makes sure that all orders are found where this build looks for
    /// them. An error names each side that does not answer, its address, its setting, and the
    /// reason.
    pub(super) async fn reach_both(&self) -> anyhow::Result<()> {
        // Orders that an older build left elsewhere would not be compared, and no difference would
        // show.
        let store = self.store.own.verify();
        let inventory = self.inventory.stocks(None, &self.context);
        let (store, inventory) = tokio::join!(store, inventory);
        let store = store.err().map(|error| error.to_string());
        let inventory = inventory.err().map(|error| {
            let url = self.inventory.url();
            let reason = match error {
                InventoryError::Unavailable(reason) => reason,
                error => error.to_string(),
            };
            format!("inventory at {url} (INVENTORY_URL) cannot be asked: {reason}")
        });
        match [store, inventory].into_iter().flatten().collect::<Vec<_>>() {
            troubles if troubles.is_empty() => Ok(()),
            troubles => bail!("{}", troubles.join("\n")),
        }
    }
}
