//! The statements. `$1` and `$2` name a record.

/// What names the database.
pub(super) const IDENTITY: &str = "SELECT id FROM identity";
/// Finds the value of a record.
pub(super) const FIND: &str = "SELECT value FROM users WHERE user_id = $1 AND key = $2";
/// Finds what is remembered of an idempotency key.
pub(super) const FIND_CLAIM: &str = "SELECT fingerprint, answer FROM claims WHERE key = $1";
/// Removes old claims, at most [`SWEPT`] at once. Claims that another process removes are left out.
pub(super) const SWEEP_CLAIMS: &str = "DELETE FROM claims WHERE key IN (SELECT key FROM claims
    WHERE claimed_at < now() - interval '48 hours' ORDER BY claimed_at LIMIT 5000
    FOR UPDATE SKIP LOCKED) RETURNING answer";
/// The limit in `SWEEP_CLAIMS`.
pub(super) const SWEPT: usize = 5_000;
/// Notes that a record is stale in the cache.
pub(super) const NOTE_STALE: &str = "INSERT INTO stale (user_id, key) VALUES ($1, $2)
    ON CONFLICT (user_id, key) DO UPDATE SET change = DEFAULT RETURNING change";
/// Finds records that changed while a process could not reach the cache, at most 1,000 at once.
pub(super) const FIND_STALE: &str = "SELECT user_id, key, change FROM stale LIMIT 1000";
/// Forgets these changes. A later change of the same record has another number.
pub(super) const FORGET_STALE: &str = "DELETE FROM stale WHERE change = ANY($1) RETURNING change";

/// A statement that writes a record. If `$3` is true, it notes as well that the record is stale in
/// the cache: both or nothing.
macro_rules! noting {
    ($write:literal, $more:literal) => {
        concat!(
            "WITH written AS (",
            $write,
            " RETURNING value), noted AS (INSERT INTO stale (user_id, key)
              SELECT $1, $2 FROM written WHERE $3
              ON CONFLICT (user_id, key) DO UPDATE SET change = DEFAULT)",
            $more,
            " SELECT value FROM written"
        )
    };
}

/// The same with the number `$4`, and with the claim of an idempotency key in `$5` and `$6`.
macro_rules! claiming {
    ($write:literal) => {
        noting!(
            $write,
            ", claimed AS (INSERT INTO claims (key, fingerprint, answer)
               SELECT $5, $6, value FROM written WHERE $5::text IS NOT NULL)"
        )
    };
}

/// Creates a record if its name is free.
pub(super) const CREATE: &str =
    claiming!("INSERT INTO users (user_id, key, value) VALUES ($1, $2, $4) ON CONFLICT DO NOTHING");
/// Adds a number to the value of a record.
pub(super) const INCREMENT: &str =
    claiming!("UPDATE users SET value = value + $4 WHERE user_id = $1 AND key = $2");
/// Subtracts a number from the value of a record.
pub(super) const DECREMENT: &str =
    claiming!("UPDATE users SET value = value - $4 WHERE user_id = $1 AND key = $2");
/// Deletes a record.
pub(super) const DELETE: &str = noting!("DELETE FROM users WHERE user_id = $1 AND key = $2", "");
