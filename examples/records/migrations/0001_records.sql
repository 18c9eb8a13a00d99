-- The records. The two names have the limits of `domain::Name`.
CREATE TABLE users (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    user_id text NOT NULL CHECK (char_length(user_id) BETWEEN 1 AND 100),
    key text NOT NULL CHECK (char_length(key) BETWEEN 1 AND 100),
    value bigint NOT NULL,
    UNIQUE (user_id, key)
);

-- What the service remembers of an idempotency key: the request, and its answer.
CREATE TABLE claims (
    key text PRIMARY KEY,
    fingerprint text NOT NULL,
    answer bigint NOT NULL,
    claimed_at timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX claims_by_time ON claims (claimed_at);

-- Names this database in the keys of the cache. A new database never finds the values of another.
CREATE TABLE identity (
    id text NOT NULL
);
INSERT INTO identity VALUES (gen_random_uuid());
