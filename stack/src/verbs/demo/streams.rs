//! Reads the streams as an operator of the stores.

use anyhow::{Result, bail};
use shared::contract::event::{Event, OrderCompleted, RefundOrder};
use shared::redis::{Command, Entry, Redis};

use super::stage::Stage;
use crate::verbs::screen::Ink;

/// Attributes of the envelope that are not shown: they are the same in every entry, or repeat its
/// data.
const ENVELOPE: [&[u8]; 6] = [
    b"ce_specversion",
    b"ce_id",
    b"ce_source",
    b"ce_time",
    b"traceparent",
    b"request_id",
];

/// Entries that were delivered and not acknowledged.
#[derive(PartialEq)]
pub(super) struct Pending {
    pub(super) count: u64,
    first: String,
}

impl Stage {
    /// Shows and answers the only event that says that the order was paid.
    pub(super) async fn completed(&self, order: &str) -> Result<OrderCompleted> {
        self.event(&self.payments, order).await
    }

    /// Shows and answers the only event that says that the order has to be refunded.
    pub(super) async fn refund(&self, order: &str) -> Result<RefundOrder> {
        self.event(&self.inventory, order).await
    }

    /// The pending entries of the group of `order_completed`.
    pub(super) async fn pending(&self) -> Result<Pending> {
        let look = Command::new("XPENDING")
            .key(OrderCompleted::STREAM)
            .arg(OrderCompleted::GROUP);
        let [count, first, _, _] = self
            .payments
            .run(look)
            .await?
            .exactly::<4>("a summary of what is pending")?;
        let first = if first.is_null() {
            String::new()
        } else {
            first.text()?
        };
        Ok(Pending {
            count: count.unsigned()?,
            first,
        })
    }

    /// Shows the pending entries.
    pub(super) fn show_pending(&self, pending: &Pending) {
        let (stream, group) = (OrderCompleted::STREAM, OrderCompleted::GROUP);
        let call = self
            .api
            .screen
            .ink(Ink::Title, &format!("XPENDING {stream} {group}"));
        let Pending { count, first } = pending;
        let from = if *count == 0 {
            String::new()
        } else {
            format!(", from {first} on")
        };
        self.api.screen.labelled(
            "stream",
            &format!("{call} {count} delivered and not acknowledged{from}"),
        );
    }

    /// The entries of the stream of `E` that are about `order`.
    pub(super) async fn entries<E: Event>(&self, store: &Redis, order: &str) -> Result<Vec<Entry>> {
        let range = Command::new("XRANGE").key(E::STREAM).arg("-").arg("+");
        let mut entries = store.run(range).await?.entries()?;
        entries.retain(|entry| {
            let fields = entry.fields.iter().flatten();
            fields
                .into_iter()
                .any(|(name, value)| *name == "order_id" && *value == order)
        });
        Ok(entries)
    }

    async fn event<E: Event>(&self, store: &Redis, order: &str) -> Result<E> {
        let entries = self
            .until(&format!("the entry in {}", E::STREAM), || async {
                let entries = self.entries::<E>(store, order).await?;
                Ok((!entries.is_empty()).then_some(entries))
            })
            .await?;
        let count = entries.len();
        let [
            Entry {
                id,
                fields: Some(fields),
                ..
            },
        ] = &entries[..]
        else {
            bail!(
                "{} has {count} entries of the order instead of 1",
                E::STREAM
            );
        };
        let stream = self.api.screen.ink(Ink::Title, E::STREAM);
        self.api
            .screen
            .labelled("stream", &format!("{stream} {id}"));
        let shown: Vec<String> = fields
            .iter()
            .filter(|(name, _)| !ENVELOPE.contains(&name.as_ref()))
            .map(|(name, value)| {
                let text = String::from_utf8_lossy;
                format!("{}={} ", text(name), text(value))
            })
            .collect();
        self.api.screen.detail(shown.iter().map(String::as_str));
        Ok(E::decode(fields)?)
    }
}
