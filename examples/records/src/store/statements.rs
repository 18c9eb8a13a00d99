//! The statements. `$1` and `$2` name a record.

/// What names the database.
pub(super) const IDENTITY: &str = "SELECT id FROM identity";
/// Finds the value of a record.
pub(super) const FIND: &str = "SELECT value FROM users WHERE user_id = $1 AND key = $2";
/// Deletes a record.
pub(super) const DELETE: &str = "DELETE FROM users WHERE user_id = $1 AND key = $2 RETURNING value";
/// Finds what is remembered of an idempotency key.
pub(super) const FIND_CLAIM: &str = "SELECT fingerprint, answer FROM claims WHERE key = $1";
/// Removes old claims, at most 50,000 at once.
pub(super) const SWEEP_CLAIMS: &str = "DELETE FROM claims WHERE key IN (SELECT key FROM claims \
     WHERE claimed_at < now() - interval '48 hours' ORDER BY claimed_at LIMIT 50000)";

/// A statement that writes a record, and with an idempotency key its claim: both or nothing. `$3` is a
/// number, `$4` and `$5` are the claim.
macro_rules! with_claim {
    ($write:literal) => {
        concat!(
            "WITH written AS (",
            $write,
            " RETURNING value), claimed AS (INSERT INTO claims (key, fingerprint, answer)
              SELECT $4, $5, value FROM written WHERE $4::text IS NOT NULL)
              SELECT value FROM written"
        )
    };
}

/// Creates a record, if there is none of this name.
pub(super) const CREATE: &str = with_claim!(
    "INSERT INTO users (user_id, key, value) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"
);
/// Adds a number to the value of a record.
pub(super) const INCREMENT: &str =
    with_claim!("UPDATE users SET value = value + $3 WHERE user_id = $1 AND key = $2");
/// Subtracts a number from the value of a record.
pub(super) const DECREMENT: &str =
    with_claim!("UPDATE users SET value = value - $3 WHERE user_id = $1 AND key = $2");
