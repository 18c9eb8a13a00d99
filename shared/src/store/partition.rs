//! The partitions of a store, and the partition to which an id belongs.

use std::fmt::{Display, Write};
use std::num::NonZeroU16;

use crate::contract::id::Id;

/// The number of partitions over which the keys of a store are spread. `None`: the store has one
/// partition, and its keys have no tag.
///
/// Every process of the system must have the same number. The number cannot change while there is
/// data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Partitions(Option<NonZeroU16>);

/// One partition of a store: a Redis Cluster hash tag, or nothing where the store is not
/// partitioned.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Partition(Option<u16>);

/// Bytes of a key behind its name, in most keys: a tag and a UUID. A longer key only costs one more
/// allocation.
const USUAL_REST: usize = ":{65535}:".len() + 36;

impl Partitions {
    /// A store without partitions: its keys have no tag.
    pub const NONE: Self = Self(None);

    /// `count` partitions.
    pub fn new(count: NonZeroU16) -> Self {
        Self(Some(count))
    }

    /// The number of partitions; `None` where the store is not partitioned.
    pub fn count(self) -> Option<u16> {
        self.0.map(NonZeroU16::get)
    }

    /// All partitions.
    pub fn all(self) -> impl Iterator<Item = Partition> + Clone {
        let count = self.0.map_or(1, NonZeroU16::get);
        (0..count).map(move |index| Partition(self.0.map(|_| index)))
    }

    /// The partition of the thing with this id.
    pub fn of(self, id: impl Id) -> Partition {
        self.of_hash(id.tail())
    }

    /// The partition that a hash falls into.
    pub fn of_hash(self, hash: u32) -> Partition {
        Partition(self.0.map(|count| {
            let index = hash % u32::from(count.get());
            u16::try_from(index).unwrap_or_default()
        }))
    }

    /// A new id in the partition that `seed` falls into. An idempotency key and the thing that its
    /// request creates must share a partition, because one function writes the claim and the thing.
    pub fn mint_in<I: Id>(self, seed: u32) -> I {
        let id = I::mint();
        let (Some(count), Partition(Some(wanted))) = (self.0, self.of_hash(seed)) else {
            return id;
        };
        let count = u32::from(count.get());
        let first_of_block = id.tail() - id.tail() % count;
        // The last block may be cut short by the end of u32; the block before it is whole.
        let tail = first_of_block
            .checked_add(u32::from(wanted))
            .unwrap_or_else(|| first_of_block - count + u32::from(wanted));
        id.with_tail(tail)
    }
}

impl Partition {
    /// The partition of that index; `None` for a store without partitions.
    pub fn at(index: Option<u16>) -> Self {
        Self(index)
    }

    /// Its index; `None` where the store is not partitioned.
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
    pub fn key_of(self, name: &str, id: impl Display) -> String {
        let mut key = String::with_capacity(name.len() + USUAL_REST);
        key.push_str(name);
        let written = match self.0 {
            None => write!(key, ":{id}"),
            Some(index) => write!(key, ":{{{index}}}:{id}"),
        };
        // A `String` takes any text.
        debug_assert!(written.is_ok());
        key
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::contract::id::{OrderId, ProductId};

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
            let (order, product): (OrderId, ProductId) =
                (partitions.mint_in(seed), partitions.mint_in(seed));
            prop_assert_eq!(partitions.of(order), partitions.of_hash(seed));
            prop_assert_eq!(partitions.of(product), partitions.of_hash(seed));
            prop_assert!(order.minted_at().is_some() && product.minted_at().is_some());
        }
    }
}
