ALTER TABLE account
    ADD COLUMN inbox_at timestamptz,            -- begin of the last pull of replies
    ADD COLUMN inbox_read_at timestamptz,       -- begin of the last pull that worked
    ADD COLUMN inbox_whole_at timestamptz,      -- begin of the last pull of the whole inbox that worked
    ADD COLUMN inbox_words text;                -- why the last pull failed

-- Every reply once. Without provider_id it came by PUSH and waits for the pulled reply that it is one with.
CREATE TABLE reply (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES account,
    provider_id bigint,                         -- ID SMS MASIVOS
    origen text NOT NULL,                       -- national digits where they can be told, else as it came
    texto text NOT NULL,
    plain text NOT NULL,                        -- texto as PUSH and PULL agree on it
    received_at timestamptz NOT NULL,           -- the provider's FECHA; of a PUSH the moment it came
    idinterno text,
    campaign_id bigint,
    seq int,
    source text NOT NULL CHECK (source IN ('pull', 'soap', 'push')),
    kind text NOT NULL CHECK (kind IN ('optout', 'review', 'reply')),
    pushed_at timestamptz,                      -- when the PUSH came that is one with this reply
    repeated_at timestamptz,                    -- found to be the repeat of a PUSH that was answered: not a reply
    stored_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    UNIQUE (account_id, provider_id),
    CHECK (provider_id IS NOT NULL OR pushed_at IS NOT NULL),
    CHECK (repeated_at IS NULL OR provider_id IS NULL),
    CHECK ((campaign_id IS NULL) = (seq IS NULL))
);
CREATE INDEX reply_to_match ON reply (account_id, origen, received_at);
CREATE INDEX reply_provisional ON reply (account_id, received_at) WHERE provider_id IS NULL AND repeated_at IS NULL;
CREATE INDEX reply_of_campaign ON reply (campaign_id, seq) WHERE campaign_id IS NOT NULL;

-- What people wrote, for reading and export.
CREATE VIEW inbox AS
SELECT provider_id AS id, origen, texto, received_at, idinterno, campaign_id, seq, kind, source,
       provider_id IS NULL AS provisional, id AS reply_no, account_id
FROM reply
WHERE repeated_at IS NULL;

-- Who opted out or in, when and by what: never changed, so that a list can be explained years later.
CREATE TABLE optout_event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    destino text NOT NULL,
    action text NOT NULL CHECK (action IN ('add', 'remove')),
    source text NOT NULL,
    reason text
);
CREATE INDEX optout_event_of_number ON optout_event (destino, at);

-- The do-not-send list: numbers that the provider said cannot receive (-1 fixed line, -2 too many failures).
CREATE TABLE undeliverable (
    destino text PRIMARY KEY,
    code smallint NOT NULL CHECK (code IN (-1, -2)),
    since timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CHECK (expires_at >= since)
);

-- Wider than the check it replaces, so the rows that are there need no look.
ALTER TABLE message DROP CONSTRAINT message_suppressed_check;
ALTER TABLE message ADD CONSTRAINT message_suppressed_check CHECK (suppressed IN
    ('optout_at_load', 'optout_at_claim', 'undeliverable_at_load', 'undeliverable_at_claim')) NOT VALID;

-- How many messages of a campaign were left out and why, kept with the suppression itself.
CREATE TABLE left_out (
    campaign_id bigint NOT NULL REFERENCES campaign,
    reason text NOT NULL CHECK (reason IN
        ('optout_at_load', 'optout_at_claim', 'undeliverable_at_load', 'undeliverable_at_claim')),
    n int NOT NULL CHECK (n > 0),
    PRIMARY KEY (campaign_id, reason)
);
INSERT INTO left_out (campaign_id, reason, n)
SELECT campaign_id, suppressed, count(*)::int FROM message WHERE suppressed IS NOT NULL GROUP BY 1, 2;

-- One message now: committed as `sending` before its call, and never called again by itself.
CREATE TABLE single_message (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id bigint NOT NULL REFERENCES account,
    idinterno text NOT NULL CHECK (idinterno ~ '^[0-9A-Za-z]{1,50}$'),
    destino text NOT NULL,
    texto text NOT NULL,
    transport text NOT NULL CHECK (transport IN ('http', 'soap', 'smtp')),
    test boolean NOT NULL DEFAULT false,
    start_at timestamptz,                       -- FECHADESDE
    html text,
    state text NOT NULL CHECK (state IN
        ('sending', 'accepted', 'rejected', 'simulated', 'handed_over', 'unknown', 'refused', 'failed')),
    code smallint CHECK (code BETWEEN -14 AND 1 OR code = -99),
    text text,                                  -- the provider's words, or ours when we refused it
    attempt int NOT NULL DEFAULT 1,
    lease_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    CHECK ((state = 'sending') = (lease_until IS NOT NULL)),
    CHECK ((state = 'sending') = (finished_at IS NULL))
) WITH (fillfactor = 70);
-- The provider reads an idinterno in any case.
CREATE UNIQUE INDEX single_message_idinterno ON single_message (account_id, upper(idinterno));
CREATE INDEX single_message_sending ON single_message (lease_until) WHERE state = 'sending';
