//! The operations on records.

use poem_openapi::OpenApi;
use shared::http::idempotency::KeyHeader;
use shared::http::json::Json;
use shared::http::parameter::Query;
use shared::http::problem::Problem;
use shared::store::claim::Claim;

use super::answer::{ChangeResponse, CreateResponse, DeleteResponse, GetResponse};
use super::body::{FoundBody, RecordBody};
use super::params::within;
use super::problems::{OUT_OF_RANGE, RECORD_EXISTS};
use super::{Api, Tag, failed, not_found};
use crate::domain::{Change, Name, Number, RecordId, Written};

/// The operations on records.
pub(super) struct RecordApi(pub(super) Api);

#[OpenApi]
impl RecordApi {
    /// Create a record.
    #[oai(
        path = "/create-record",
        method = "post",
        tag = "Tag::Records",
        operation_id = "createRecord"
    )]
    async fn create_record(
        &self,
        /// The user to whom the record belongs, 1 to 100 characters.
        user_id: Query<Name>,
        /// The key among the records of the user, 1 to 100 characters.
        key: Query<Name>,
        /// The first value, a whole number of 64 bits.
        value: Query<Number>,
        /// One key for one intent: a repeated request is answered like the first. 1 to 255 visible
        /// ASCII characters.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: KeyHeader,
    ) -> Result<CreateResponse, Problem> {
        let (id, value) = (id(user_id, key), within("value", value.0)?);
        let claim = idempotency_key.claim(&format!("POST /create-record/ {id:?} {value}"));
        match self.change(&id, Change::Create(value), claim).await? {
            (Written::Value(value), replayed) => {
                let body = RecordBody::new(id, value);
                Ok(CreateResponse::Created(Json(body), replayed))
            }
            (Written::Nothing | Written::Overflow, _) => {
                let detail = "this user has a record with this key";
                Err(Problem::new(&RECORD_EXISTS, detail))
            }
        }
    }

    /// Get a record.
    ///
    /// `cache` says `cache_hit` if the value was found in the cache, and `cache_miss` if it was
    /// read from the database. While the database is down, only values in the cache are answered.
    #[oai(
        path = "/get-record",
        method = "get",
        tag = "Tag::Records",
        operation_id = "getRecord"
    )]
    async fn get_record(
        &self,
        /// The user to whom the record belongs, 1 to 100 characters.
        user_id: Query<Name>,
        /// The key among the records of the user, 1 to 100 characters.
        key: Query<Name>,
    ) -> Result<GetResponse, Problem> {
        let id = id(user_id, key);
        let found = self.0.store.get_record(&id).await.map_err(failed)?;
        let found = found.ok_or_else(not_found)?;
        Ok(GetResponse::Found(Json(FoundBody::new(id, found))))
    }

    /// Delete a record.
    #[oai(
        path = "/delete-record",
        method = "delete",
        tag = "Tag::Records",
        operation_id = "deleteRecord"
    )]
    async fn delete_record(
        &self,
        /// The user to whom the record belongs, 1 to 100 characters.
        user_id: Query<Name>,
        /// The key among the records of the user, 1 to 100 characters.
        key: Query<Name>,
    ) -> Result<DeleteResponse, Problem> {
        let deleted = self.0.store.delete_record(&id(user_id, key)).await;
        if deleted.map_err(failed)? {
            Ok(DeleteResponse::Deleted)
        } else {
            Err(not_found())
        }
    }

    /// Add a number to the value of a record.
    ///
    /// A negative number subtracts, and 0 leaves the value as it is. Changes may be made at the
    /// same time, and none is lost. Give an `Idempotency-Key`. Without one, a request that is
    /// repeated after a broken connection may count twice.
    #[oai(
        path = "/increment-value",
        method = "post",
        tag = "Tag::Records",
        operation_id = "incrementValue"
    )]
    async fn increment_value(
        &self,
        /// The user to whom the record belongs, 1 to 100 characters.
        user_id: Query<Name>,
        /// The key among the records of the user, 1 to 100 characters.
        key: Query<Name>,
        /// The number to add, a whole number of 64 bits.
        x: Query<Number>,
        /// One key for one intent: a repeated request is answered like the first. 1 to 255 visible
        /// ASCII characters.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: KeyHeader,
    ) -> Result<ChangeResponse, Problem> {
        let change = Change::Increment(within("x", x.0)?);
        self.add(id(user_id, key), change, idempotency_key).await
    }

    /// Subtract a number from the value of a record.
    ///
    /// A negative number adds, and 0 leaves the value as it is. Changes may be made at the same
    /// time, and none is lost. Give an `Idempotency-Key`. Without one, a request that is repeated
    /// after a broken connection may count twice.
    #[oai(
        path = "/decrement-value",
        method = "post",
        tag = "Tag::Records",
        operation_id = "decrementValue"
    )]
    async fn decrement_value(
        &self,
        /// The user to whom the record belongs, 1 to 100 characters.
        user_id: Query<Name>,
        /// The key among the records of the user, 1 to 100 characters.
        key: Query<Name>,
        /// The number to subtract, a whole number of 64 bits.
        x: Query<Number>,
        /// One key for one intent: a repeated request is answered like the first. 1 to 255 visible
        /// ASCII characters.
        #[oai(name = "Idempotency-Key")]
        idempotency_key: KeyHeader,
    ) -> Result<ChangeResponse, Problem> {
        let change = Change::Decrement(within("x", x.0)?);
        self.add(id(user_id, key), change, idempotency_key).await
    }
}

impl RecordApi {
    async fn add(
        &self,
        id: RecordId,
        change: Change,
        key: KeyHeader,
    ) -> Result<ChangeResponse, Problem> {
        let claim = key.claim(&format!("{change:?} {id:?}"));
        match self.change(&id, change, claim).await? {
            (Written::Value(value), replayed) => {
                let body = RecordBody::new(id, value);
                Ok(ChangeResponse::Changed(Json(body), replayed))
            }
            (Written::Nothing, _) => Err(not_found()),
            (Written::Overflow, _) => {
                let detail = "the value would not fit into 64 bits; it was not changed";
                Err(Problem::new(&OUT_OF_RANGE, detail))
            }
        }
    }

    /// The outcome, and the value of the header `Idempotent-Replayed`.
    async fn change(
        &self,
        id: &RecordId,
        change: Change,
        claim: Option<Claim>,
    ) -> Result<(Written, Option<bool>), Problem> {
        let changed = self.0.store.change_record(id, change, claim.as_ref()).await;
        changed.map_err(failed)?.into_answer()
    }
}

fn id(Query(user_id): Query<Name>, Query(key): Query<Name>) -> RecordId {
    RecordId { user_id, key }
}
