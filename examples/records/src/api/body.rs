//! JSON bodies of the API.

use poem_openapi::types::Example;
use poem_openapi::{Enum, Object};
use serde::Serialize;

use crate::domain::{Found, RecordId};

/// A record.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "Record", example)]
pub(super) struct RecordBody {
    /// The user to whom the record belongs.
    user_id: String,
    /// The key among the records of the user.
    key: String,
    /// The value, a whole number of 64 bits. A reader that takes numbers for doubles rounds it
    /// beyond 2^53.
    value: i64,
}

/// A record, and where its value was read.
#[derive(Debug, Serialize, Object)]
#[oai(rename = "FoundRecord", example)]
pub(super) struct FoundBody {
    #[serde(flatten)]
    #[oai(flatten)]
    record: RecordBody,
    /// Where the value was read.
    cache: CacheUse,
}

/// Where a value was read: `cache_hit` in the cache, `cache_miss` in the database.
#[derive(Clone, Copy, Debug, Serialize, Enum)]
#[serde(rename_all = "snake_case")]
#[oai(rename_all = "snake_case")]
pub(super) enum CacheUse {
    /// In the cache.
    CacheHit,
    /// In the database.
    CacheMiss,
}

impl RecordBody {
    pub(super) fn new(id: RecordId, value: i64) -> Self {
        Self {
            user_id: id.user_id.into_text(),
            key: id.key.into_text(),
            value,
        }
    }
}

impl FoundBody {
    pub(super) fn new(id: RecordId, found: Found) -> Self {
        Self {
            record: RecordBody::new(id, found.value),
            cache: if found.is_cached {
                CacheUse::CacheHit
            } else {
                CacheUse::CacheMiss
            },
        }
    }
}

impl Example for RecordBody {
    fn example() -> Self {
        Self {
            user_id: "ada".to_owned(),
            key: "visits".to_owned(),
            value: 42,
        }
    }
}

impl Example for FoundBody {
    fn example() -> Self {
        Self {
            record: RecordBody::example(),
            cache: CacheUse::CacheHit,
        }
    }
}
