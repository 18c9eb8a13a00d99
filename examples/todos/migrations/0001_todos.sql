CREATE TABLE todos (
    id uuid PRIMARY KEY,
    title text NOT NULL,
    description text,
    completed boolean NOT NULL,
    -- The change that created the todo. It tells a client whether its own POST won the id.
    created_by uuid NOT NULL
);

-- How far each partition of the topic was applied. A row moves in the transaction that applies the
-- messages, so no message is applied twice. Kafka may begin at any offset.
CREATE TABLE positions (
    partition integer PRIMARY KEY,
    next_offset bigint NOT NULL,
    -- Digest of the message before `next_offset`. It tells this log from one that was made anew.
    fingerprint text NOT NULL
);
