//! Ids: of orders, of products, and of the things of other services ([`id!`](crate::id)).

pub use uuid::{Uuid, uuid};

use crate::contract::time::Timestamp;

/// The text is not a UUID in its usual hyphenated form.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected a UUID such as 01932c4e-7c1a-7000-8000-2f0d6a1b9c3e")]
pub struct InvalidId;

/// An id that chooses the partition of a store for the thing it names, by its last 32 bits. These
/// bits are random in every UUIDv7, and do not overlap its bits for version and variant.
pub trait Id: Copy {
    /// A new id.
    fn mint() -> Self;

    /// The last 32 bits.
    fn tail(self) -> u32;

    /// The same id with other last 32 bits.
    #[must_use]
    fn with_tail(self, tail: u32) -> Self;
}

/// Length of a hyphenated UUID. Shorter and longer notations are refused: with them, one id would
/// have several spellings.
const HYPHENATED_LENGTH: usize = 36;

/// Declares a type of ids, each a UUIDv7, and an example of it.
#[macro_export]
macro_rules! id {
    ($(#[$doc:meta])* $name:ident $example:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, ::serde::Serialize)]
        pub struct $name($crate::contract::id::Uuid);

        impl $name {
            /// An example for the documents.
            pub const EXAMPLE: Self = Self($crate::contract::id::uuid!($example));

            /// A new UUIDv7. Ids sort by the time of their minting.
            pub fn mint() -> Self {
                Self($crate::contract::id::Uuid::now_v7())
            }

            /// The time inside the id, if it is a UUIDv7.
            pub fn minted_at(&self) -> Option<$crate::contract::time::Timestamp> {
                $crate::contract::id::time_in(&self.0)
            }
        }

        impl $crate::contract::id::Id for $name {
            fn mint() -> Self {
                Self::mint()
            }

            fn tail(self) -> u32 {
                let bytes = self.0.as_bytes();
                u32::from_be_bytes([bytes[12], bytes[13], bytes[14], bytes[15]])
            }

            fn with_tail(self, tail: u32) -> Self {
                let mut bytes = *self.0.as_bytes();
                bytes[12..].copy_from_slice(&tail.to_be_bytes());
                Self($crate::contract::id::Uuid::from_bytes(bytes))
            }
        }

        impl ::std::str::FromStr for $name {
            type Err = $crate::contract::id::InvalidId;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                $crate::contract::id::parse(text).map(Self)
            }
        }

        impl ::std::fmt::Display for $name {
            fn fmt(&self, f: &mut ::std::fmt::Formatter<'_>) -> ::std::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

id! {
    /// Names one order, for ever. The id is also the key that keeps the effects of the order from
    /// happening twice.
    OrderId "01a1f866-0d7b-7000-8000-2f0d6a1b9c3e"
}

id! {
    /// Names one product, for ever. The id of a deleted product is never given to another product.
    ProductId "01a1f82f-1efb-7000-8000-000000000001"
}

/// The time on the clock of this machine: the ids that this process mints carry it.
pub fn clock() -> Option<Timestamp> {
    time_in(&Uuid::now_v7())
}

/// The UUID in a text, which must have its usual hyphenated form.
pub fn parse(text: &str) -> Result<Uuid, InvalidId> {
    if text.len() != HYPHENATED_LENGTH {
        return Err(InvalidId);
    }
    Uuid::try_parse(text).map_err(|_| InvalidId)
}

/// The time inside an id, if it is a UUIDv7.
pub fn time_in(id: &Uuid) -> Option<Timestamp> {
    if id.get_version_num() != 7 {
        return None;
    }
    let (seconds, nanoseconds) = id.get_timestamp()?.to_unix();
    Some(Timestamp::from_millis(
        seconds * 1_000 + u64::from(nanoseconds) / 1_000_000,
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
