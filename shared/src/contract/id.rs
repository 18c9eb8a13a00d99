//! Ids of orders and products, and the partition an id belongs to. The only place that makes ids.

use std::fmt;
use std::num::NonZeroU16;
use std::str::FromStr;

use serde::Serialize;
use uuid::Uuid;

use crate::contract::time::Timestamp;

/// The text is not a UUID in its usual hyphenated form.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected a UUID such as 01932c4e-7c1a-7000-8000-2f0d6a1b9c3e")]
pub struct InvalidId;

/// Length of a hyphenated UUID. The shorter and longer notations name the same id twice and are
/// refused.
const HYPHENATED_LENGTH: usize = 36;

macro_rules! id {
    ($(#[$doc:meta])* $name:ident $example:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        pub struct $name(Uuid);

        impl $name {
            /// What one looks like, for documents.
            pub const EXAMPLE: Self = Self(uuid::uuid!($example));

            /// A new UUIDv7: ids sort by the time they were made.
            pub fn mint() -> Self {
                Self(Uuid::now_v7())
            }

            /// The time inside the id, if it is a UUIDv7.
            pub fn minted_at(&self) -> Option<Timestamp> {
                time_in(&self.0)
            }

            fn tail(&self) -> u32 {
                tail(&self.0)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;

            fn from_str(text: &str) -> Result<Self, InvalidId> {
                if text.len() != HYPHENATED_LENGTH {
                    return Err(InvalidId);
                }
                Uuid::try_parse(text).map(Self).map_err(|_| InvalidId)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// Names one order, for ever; also the key that keeps its effects from happening twice.
    OrderId "01a1f866-0d7b-7000-8000-2f0d6a1b9c3e"
}

id! {
    /// Names one product, for ever: a deleted product's id is never given again.
    ProductId "01a1f82f-1efb-7000-8000-000000000001"
}

/// How many partitions the keys of a store are spread over; `None` keeps them in one place and
/// without a tag.
///
/// Every process of the system must be given the same number, and it cannot change while there is
/// data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partitions(Option<NonZeroU16>);

/// One partition of a store: a Redis Cluster hash tag, or nothing where the store is not
/// partitioned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(Option<u16>);

impl Partitions {
    /// One place, no tags.
    pub const NONE: Self = Self(None);

    /// `count` partitions.
    pub fn new(count: NonZeroU16) -> Self {
        Self(Some(count))
    }

    /// How many there are, where the store is partitioned.
    pub fn count(self) -> Option<u16> {
        self.0.map(NonZeroU16::get)
    }

    /// Every partition there is.
    pub fn all(self) -> impl Iterator<Item = Partition> + Clone {
        let count = self.0.map_or(1, NonZeroU16::get);
        (0..count).map(move |index| Partition(self.0.map(|_| index)))
    }

    /// The partition of an order.
    pub fn of_order(self, id: OrderId) -> Partition {
        self.of(id.tail())
    }

    /// The partition of a product.
    pub fn of_product(self, id: ProductId) -> Partition {
        self.of(id.tail())
    }

    /// A new order id in the partition that `seed` falls into. An idempotency key and what it makes
    /// must share a partition, because one function claims the one and writes the other.
    pub fn mint_order(self, seed: u32) -> OrderId {
        OrderId(self.mint(seed))
    }

    /// A new product id in the partition that `seed` falls into.
    pub fn mint_product(self, seed: u32) -> ProductId {
        ProductId(self.mint(seed))
    }

    fn mint(self, seed: u32) -> Uuid {
        let id = Uuid::now_v7();
        let (Some(count), Partition(Some(wanted))) = (self.0, self.of(seed)) else {
            return id;
        };
        let count = u32::from(count.get());
        let first_of_block = tail(&id) - tail(&id) % count;
        // The last block may be cut short by the end of u32; the block before it is whole.
        let tail = first_of_block
            .checked_add(u32::from(wanted))
            .unwrap_or_else(|| first_of_block - count + u32::from(wanted));
        let mut bytes = *id.as_bytes();
        bytes[12..].copy_from_slice(&tail.to_be_bytes());
        Uuid::from_bytes(bytes)
    }

    /// The partition that a hash falls into.
    pub fn of(self, hash: u32) -> Partition {
        Partition(self.0.map(|count| {
            let index = hash % u32::from(count.get());
            u16::try_from(index).unwrap_or_default()
        }))
    }
}

impl Partition {
    /// The partition of that index; `None` is the one place of a store without partitions.
    pub fn at(index: Option<u16>) -> Self {
        Self(index)
    }

    /// Its index, where the store is partitioned.
    pub fn index(self) -> Option<u16> {
        self.0
    }

    /// The key `name` in this partition: `name`, or `name:{3}`.
    pub fn key(self, name: &str) -> String {
        match self.0 {
            None => name.to_owned(),
            Some(index) => format!("{name}:{{{index}}}"),
        }
    }

    /// The key of one thing called `id` in this partition: `name:id`, or `name:{3}:id`.
    pub fn key_of(self, name: &str, id: impl fmt::Display) -> String {
        match self.0 {
            None => format!("{name}:{id}"),
            Some(index) => format!("{name}:{{{index}}}:{id}"),
        }
    }
}

/// The last 32 bits, random in every UUIDv7 and far from its version and variant bits.
fn tail(id: &Uuid) -> u32 {
    let b = id.as_bytes();
    u32::from_be_bytes([b[12], b[13], b[14], b[15]])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn ids_sort_by_the_time_they_were_made() {
        let ids: Vec<OrderId> = (0..1_000).map(|_| OrderId::mint()).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
        assert!(ids[0].minted_at() <= ids[999].minted_at());
    }

    #[test]
    fn only_the_hyphenated_form_is_an_id() {
        let id = ProductId::mint();
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.to_string().to_uppercase().parse(), Ok(id));
        for text in [
            "",
            "1",
            &id.0.simple().to_string(),
            &id.0.urn().to_string(),
            "../../../../../../../../../etc/passwd",
        ] {
            assert_eq!(text.parse::<ProductId>(), Err(InvalidId), "{text}");
        }
    }

    #[test]
    fn an_id_that_is_no_uuidv7_has_no_time() {
        assert_eq!(
            "6b2f3a1e-0d4c-4f5b-9a77-0c1d2e3f4a5b"
                .parse::<OrderId>()
                .unwrap()
                .minted_at(),
            None
        );
    }

    #[test]
    fn keys_carry_a_tag_only_when_the_store_is_partitioned() {
        let one = Partitions::NONE.all().next().unwrap();
        assert_eq!(
            (one.key("due"), one.key_of("order", 7)),
            ("due".into(), "order:7".into())
        );
        let third = Partitions::new(NonZeroU16::new(4).unwrap())
            .all()
            .nth(3)
            .unwrap();
        assert_eq!(
            (third.key("due"), third.key_of("order", 7)),
            ("due:{3}".into(), "order:{3}:7".into())
        );
    }

    proptest! {
        #[test]
        fn a_minted_id_lies_in_the_partition_of_its_seed(count in 1u16.., seed: u32) {
            let partitions = Partitions::new(NonZeroU16::new(count).unwrap());
            let (order, product) = (partitions.mint_order(seed), partitions.mint_product(seed));
            prop_assert_eq!(partitions.of_order(order), partitions.of(seed));
            prop_assert_eq!(partitions.of_product(product), partitions.of(seed));
            prop_assert!(order.minted_at().is_some() && product.minted_at().is_some());
        }
    }
}
