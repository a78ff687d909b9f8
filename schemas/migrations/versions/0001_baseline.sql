-- One row: the random prefix of this database's idinternos.
CREATE TABLE installation (
    only_row boolean PRIMARY KEY DEFAULT true CHECK (only_row),
    prefix text NOT NULL CHECK (prefix ~ '^[0-9A-F]{10}$'),
    drawn_at timestamptz NOT NULL DEFAULT now()
);
INSERT INTO installation (prefix) VALUES (upper(substr(replace(gen_random_uuid()::text, '-', ''), 1, 10)));

-- idinterno = 'M', prefix (10 hex), campaign (hex), generation (one letter G..V), seq (hex), check character.
CREATE FUNCTION encode_idinterno(prefix text, campaign_id bigint, generation smallint, seq int) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT 'M' || prefix || upper(to_hex(campaign_id) COLLATE "C") || chr(71 + generation) || upper(to_hex(seq) COLLATE "C")
        || substr('0123456789ABCDEFGHJKLMNPRTUVWXY',
                  (((('x' || prefix)::bit(40)::bigint + 2 * campaign_id + 3 * generation + seq) % 31)::int + 1), 1)
$$;

-- A text as a cell of CSV: always in quotes and, if the row is suspect, with an apostrophe where a spreadsheet would run
-- it, or what comes after a separator in it. Null is an empty cell. The patterns are those of dispatcher/domain/formulas.py.
CREATE FUNCTION csv_cell(cell text, suspect boolean, dangerous text, inside text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN NOT suspect THEN '"' || replace(cell, '"', '""') || '"'
                ELSE CASE WHEN cell ~ dangerous THEN '"''' ELSE '"' END
                    || replace(regexp_replace(cell, inside, '\1''\2', 'g'), '"', '""') || '"' END
$$;

-- How long to wait after so many failures: :first seconds, twice as long each time, :longest at most. As in Python.
CREATE FUNCTION backoff(failures int, first double precision DEFAULT 1, longest double precision DEFAULT 300)
RETURNS interval LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT make_interval(secs => least(longest, first * power(2, greatest(0, least(failures, 30)))))
$$;

-- Whether a campaign's own rate lets its next chunk go. A moment that lies further ahead than the largest chunk could
-- push it was written before the clock was stepped back, and says nothing.
CREATE FUNCTION rate_allows(free_at timestamptz, rate int) RETURNS boolean LANGUAGE sql VOLATILE PARALLEL SAFE AS $$
    SELECT rate IS NULL OR free_at IS NULL OR free_at <= clock_timestamp()
        OR free_at > clock_timestamp() + interval '1 minute' * (10001.0 / rate)
$$;

-- (campaign_id, seq) of one of our idinternos, in any case; nulls for anything else.
CREATE FUNCTION decode_idinterno(idinterno text, OUT campaign_id bigint, OUT seq int)
LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS $$
DECLARE
    part text[] := regexp_match(upper(idinterno),
        '^M([0-9A-F]{10})([1-9A-F][0-9A-F]{0,14})([G-V])([1-9A-F][0-9A-F]{0,7})[0-9A-HJ-NPRT-Y]$');
    c bigint;
    s bigint;
BEGIN
    IF part IS NULL THEN RETURN; END IF;
    c := ('x' || lpad(part[2], 16, '0'))::bit(64)::bigint;
    s := ('x' || lpad(part[4], 16, '0'))::bit(64)::bigint;
    IF s > 2147483647 THEN RETURN; END IF;
    IF encode_idinterno(part[1], c, (ascii(part[3]) - 71)::smallint, s::int) = upper(idinterno) THEN
        campaign_id := c;
        seq := s::int;
    END IF;
END
$$;

CREATE TABLE account (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    provider_url text NOT NULL UNIQUE,
    fingerprint text NOT NULL CHECK (fingerprint ~ '^[0-9a-f]{16}$'),
    created_at timestamptz NOT NULL DEFAULT now(),
    -- the provider's clock less the database's is somewhere in [low, high]
    clock_low_ms bigint,
    clock_high_ms bigint,
    clock_measured_at timestamptz,
    clock_host text,                    -- boot id of the measuring machine
    clock_anchor_ms bigint,             -- its database clock less its boot clock: a step of the clock shows here
    -- what keeps it from sending
    blocked_at timestamptz,
    blocked_words text,
    blocked_cause text CHECK (blocked_cause IN ('answer', 'credit', 'contract')),  -- an answer, or results that speak of the account
    failures int NOT NULL DEFAULT 0 CHECK (failures >= 0),
    retry_at timestamptz,               -- nothing is claimed before
    rate_free_at timestamptz,           -- the limiter: when the next chunk may go
    turn bigint NOT NULL DEFAULT 0,     -- claims so far: the priority wheel's position
    -- polling
    reading text CHECK (reading IN ('since', 'second', 'day')),
    reading_found_at timestamptz,
    cursors timestamptz[] NOT NULL DEFAULT '{}',
    poll_at timestamptz NOT NULL DEFAULT now(),
    poll_lease_until timestamptz,
    poll_turn bigint NOT NULL DEFAULT 0,
    poll_misses int NOT NULL DEFAULT 0,
    poll_failures int NOT NULL DEFAULT 0,
    poll_words text,                    -- why the last poll failed
    polled_at timestamptz,              -- begin of the last poll that worked
    observed_ms bigint NOT NULL DEFAULT 0,  -- open-window time covered by polls that worked: the doubts' clock
    probe_free_at timestamptz,
    foreign_lines bigint NOT NULL DEFAULT 0,
    malformed_lines bigint NOT NULL DEFAULT 0,
    early_lines bigint NOT NULL DEFAULT 0,
    late_lines bigint NOT NULL DEFAULT 0,   -- results that only a question by idinterno brought
    balance_at timestamptz,
    balance_low_at timestamptz,         -- since when saldo has been less than what waits to be sent
    account_words_at timestamptz,       -- latest fecha of a result that spoke of the account (credit, contract)
    passed_over_at timestamptz,         -- when a poll last went on without results that no answer would bring
    odd_lines_at timestamptz,           -- when malformed or late lines came last
    clock_ask_at timestamptz,           -- when the provider may be asked for its date again
    -- replies
    inbox_at timestamptz,               -- begin of the last pull of replies
    inbox_read_at timestamptz,          -- begin of the last pull that worked
    inbox_whole_at timestamptz,         -- begin of the last pull of the whole inbox that worked
    inbox_words text,                   -- why the last pull failed
    replies_kept_from timestamptz,      -- older ones were dropped: a pull that brings them again brings nothing new
    inbox_marking_at timestamptz,       -- begin of a marking whose answer is not stored: replies may be missing
    inbox_whole_failures int NOT NULL DEFAULT 0,
    inbox_whole_retry_at timestamptz,   -- no pull of the whole inbox begins before
    stale_at timestamptz,               -- when a witness showed that the database is older than what was posted
    stale_words text,                   -- what it showed
    probe_lease_until timestamptz,
    probe_turn bigint NOT NULL DEFAULT 0,
    CHECK ((blocked_at IS NULL) = (blocked_words IS NULL)),
    CHECK ((blocked_at IS NULL) = (blocked_cause IS NULL)),
    CHECK ((stale_at IS NULL) = (stale_words IS NULL)),
    CHECK (clock_low_ms <= clock_high_ms)
);

-- The lists that campaigns are made from, in the reach of every host. The row stays while a campaign refers to it, also when
-- its content has been dropped: size and hash say which list it was.
CREATE TABLE upload (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL UNIQUE CHECK (public_id ~ '^up_[0-9a-f]{32}$'),
    name text NOT NULL,                 -- as the file was called
    media_type text NOT NULL,
    bytes bigint NOT NULL CHECK (bytes >= 0),
    sha256 text NOT NULL CHECK (sha256 ~ '^[0-9a-f]{64}$'),
    created_by text,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,    -- when its content may be dropped
    dropped_at timestamptz              -- when it was
);
CREATE INDEX upload_to_drop ON upload (expires_at) WHERE dropped_at IS NULL;
CREATE INDEX upload_dropped ON upload (dropped_at) WHERE dropped_at IS NOT NULL;

-- The bytes, cut into parts of one size; the last one may be shorter.
CREATE TABLE upload_part (
    upload_id bigint NOT NULL REFERENCES upload,
    part_no int NOT NULL CHECK (part_no >= 0),
    content bytea NOT NULL,
    PRIMARY KEY (upload_id, part_no)
);
-- Not compressed by the server, which takes longer than storing.
ALTER TABLE upload_part ALTER COLUMN content SET STORAGE EXTERNAL;

-- Dry runs that were asked for; each runs until it has a report or an error. It holds numbers and texts, and goes with its
-- list's days.
CREATE TABLE list_check (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL UNIQUE,
    upload_id text,                     -- public_id of its list; null when that came in line
    spec jsonb NOT NULL,
    language text NOT NULL,             -- that its sentences are written in
    progress real NOT NULL DEFAULT 0,   -- share that has been read
    report jsonb,
    error text,                         -- why there is no report
    tries smallint NOT NULL DEFAULT 0,
    lease_until timestamptz,
    created_by text,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    CHECK (report IS NULL OR error IS NULL)
);
CREATE INDEX list_check_expires ON list_check (expires_at);
CREATE INDEX list_check_open ON list_check (id) WHERE report IS NULL AND error IS NULL;

CREATE TABLE campaign (
    id bigint GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY,     -- or a number of it that a request reserved
    account_id bigint NOT NULL REFERENCES account,
    prefix text NOT NULL,
    name text NOT NULL,
    template text NOT NULL,
    state text NOT NULL DEFAULT 'loading'
        CHECK (state IN ('loading', 'draft', 'scheduled', 'running', 'paused', 'completed', 'cancelled')),
    reason text,
    priority text NOT NULL DEFAULT 'normal' CHECK (priority IN ('high', 'normal', 'low')),
    on_doubt text NOT NULL DEFAULT 'resend' CHECK (on_doubt IN ('resend', 'hold')),
    intent text NOT NULL DEFAULT 'service' CHECK (intent IN ('service', 'marketing')),  -- marketing honours no_llame
    registry text,                      -- the no_llame_registry that its numbers were looked up in; null = there was none
    test boolean NOT NULL DEFAULT false,
    canary_chunks int CHECK (canary_chunks > 0),    -- only these roots may be claimed until the canary has passed
    max_reject_rate real CHECK (max_reject_rate BETWEEN 0 AND 1),
    rate int CHECK (rate > 0),          -- messages a minute at most; null = as the account may
    rate_free_at timestamptz,           -- when its rate lets the next chunk go
    start_at timestamptz,               -- FECHADESDE, by the provider's clock; null = at once
    expires_at timestamptz,
    not_on text[] NOT NULL DEFAULT '{}',  -- days on which nothing of it goes, as 2026-12-24, and holidays: those of Argentina
    rows int NOT NULL DEFAULT 0,
    messages int NOT NULL DEFAULT 0,
    invalid int NOT NULL DEFAULT 0,      -- rows that were no message
    turn bigint NOT NULL DEFAULT 0,     -- the account's turn at its last claim: round robin
    created_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    completed_at timestamptz,
    opened_at timestamptz,              -- loaded, resumed, or past its canary
    paused_by_watch boolean NOT NULL DEFAULT false,     -- the canary or the reject rate paused it: resume overrules that
    watched_from timestamptz,           -- only what was posted later counts for the reject rate; null = all
    html text,                          -- content behind the link in each text (guide, HTML): a unit call a message
    upload_id bigint REFERENCES upload, -- the list that it was made from
    created_by text,
    tags jsonb NOT NULL DEFAULT '{}',
    retry_of bigint REFERENCES campaign,    -- whose rejected messages it sends again
    keep_days int CHECK (keep_days > 0),    -- its rows go so many days after its end; null = as DISPATCHER_RETENTION says
    dropped_at timestamptz,             -- when its rows went; its sums are in campaign_sum
    CONSTRAINT campaign_rows CHECK (rows = messages + invalid AND messages >= 0 AND invalid >= 0),
    CONSTRAINT campaign_completed CHECK ((state = 'completed') = (completed_at IS NOT NULL)),
    CONSTRAINT campaign_deadline CHECK (expires_at > start_at)
) WITH (fillfactor = 50);
CREATE INDEX campaign_retry ON campaign (retry_of) WHERE retry_of IS NOT NULL;
CREATE INDEX campaign_of_upload ON campaign (upload_id) WHERE upload_id IS NOT NULL;
CREATE INDEX campaign_to_drop ON campaign (created_at, id)
    WHERE dropped_at IS NULL AND state IN ('completed', 'cancelled');
CREATE INDEX campaign_by_state ON campaign (state, id);
CREATE INDEX campaign_unfinished ON campaign (account_id) WHERE state IN ('scheduled', 'running', 'paused');

CREATE TABLE chunk (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id bigint NOT NULL REFERENCES campaign,
    account_id bigint NOT NULL REFERENCES account,
    chunk_no int NOT NULL CHECK (chunk_no > 0),
    root_no int NOT NULL,               -- the chunk that the lines were loaded in: locking it locks the family
    parent_no int,
    first_seq int NOT NULL,
    last_seq int NOT NULL,
    messages int NOT NULL CHECK (messages >= 0),
    resulted int NOT NULL DEFAULT 0,
    suppressed int NOT NULL DEFAULT 0,
    state text NOT NULL DEFAULT 'due' CHECK (state IN
        ('due', 'sending', 'accepted', 'in_doubt', 'held', 'split', 'settled', 'cancelled', 'expired')),
    attempt int NOT NULL DEFAULT 0,
    resends smallint NOT NULL DEFAULT 0,
    lease_until timestamptz,
    first_post_at timestamptz,          -- provider's clock, lower bound: a result before it is not ours
    posted_at timestamptz,              -- database's clock, last attempt
    accepted_at timestamptz,
    doubt_since timestamptz,
    doubt_reason text,
    doubt_observed_ms bigint,           -- account.observed_ms when the doubt began
    probe_at timestamptz,
    probes int NOT NULL DEFAULT 0,
    settled_at timestamptz,
    goes_last boolean NOT NULL DEFAULT false,   -- the campaign's last line: posted after the others, it is evidence for them
    traced_seq int,                     -- the last of its lines that has a result of its own
    resulted_at timestamptz,            -- provider's clock, the latest result of its lines
    evidence_at timestamptz,            -- when a later line's result showed that the provider had worked past this doubt
    evidence_observed_ms bigint,        -- account.observed_ms at that moment
    refusals smallint NOT NULL DEFAULT 0,   -- how often the account was refused for these lines
    UNIQUE (campaign_id, chunk_no),
    CONSTRAINT chunk_attempts CHECK (attempt >= 0 AND resends >= 0 AND probes >= 0 AND refusals >= 0),
    CONSTRAINT chunk_accepted CHECK (state <> 'accepted' OR accepted_at IS NOT NULL),
    CHECK (last_seq >= first_seq),
    CHECK (resulted >= 0 AND suppressed >= 0 AND resulted + suppressed <= messages),
    CHECK ((state = 'sending') = (lease_until IS NOT NULL)),
    CHECK (state NOT IN ('in_doubt', 'held') OR doubt_since IS NOT NULL),
    CHECK ((state = 'settled') <= (settled_at IS NOT NULL)),
    CHECK (state <> 'split' OR resulted + suppressed = messages),
    CHECK ((parent_no IS NULL) = (root_no = chunk_no))
) WITH (fillfactor = 50);
-- The order of claims begins with the root, so that a canary bounds the index.
CREATE INDEX chunk_to_claim ON chunk (campaign_id, root_no, chunk_no) WHERE state = 'due';
CREATE INDEX chunk_in_flight_or_doubt ON chunk (account_id, state) WHERE state IN ('sending', 'in_doubt');
CREATE INDEX chunk_awaiting_results ON chunk (account_id, posted_at)
    WHERE state IN ('sending', 'accepted', 'in_doubt', 'held');
-- What was posted later and has results: the evidence that a doubt waits for.
CREATE INDEX chunk_later_results ON chunk (account_id, posted_at) WHERE resulted > 0;
CREATE INDEX chunk_with_unknown ON chunk (account_id, settled_at) WHERE state = 'settled' AND resulted + suppressed < messages;
CREATE INDEX chunk_in_progress ON chunk (campaign_id, root_no) WHERE state IN ('sending', 'accepted', 'in_doubt', 'held');
CREATE INDEX chunk_split ON chunk (account_id, settled_at) WHERE state = 'split';
-- The chunks posted last, whose rejected messages are counted.
CREATE INDEX chunk_with_results ON chunk (campaign_id, posted_at) WHERE resulted > 0;

CREATE TABLE message (
    campaign_id bigint NOT NULL,
    seq int NOT NULL CHECK (seq > 0),
    chunk_no int NOT NULL,
    line bigint NOT NULL,
    processed_at timestamptz,           -- before what is shorter: eight bytes a row less than after it
    generation smallint NOT NULL DEFAULT 0 CHECK (generation BETWEEN 0 AND 15),
    result_code smallint,
    destino text NOT NULL,
    texto text NOT NULL CHECK (length(texto) BETWEEN 1 AND 160),
    external_id text,
    result_text text,                   -- the provider's words; null = OK
    suppressed text CHECK (suppressed IN
        ('optout_at_load', 'optout_at_claim', 'no_llame_at_load', 'no_llame_at_claim', 'undeliverable_at_load',
         'undeliverable_at_claim')),
    PRIMARY KEY (campaign_id, seq),
    -- One check for three: it is asked of each row that is loaded, and again with its result.
    CONSTRAINT message_result CHECK (
        CASE WHEN result_code IS NULL THEN processed_at IS NULL ELSE processed_at IS NOT NULL AND suppressed IS NULL
        AND (result_code BETWEEN -12 AND 1 OR result_code IN (-14, -99)) END)
) PARTITION BY RANGE (campaign_id);
-- Finds a number or an own id by a bloom filter for each 64 pages, which vacuum makes: loading and settling write no entry a
-- row. A sealed range has a true index of the numbers besides.
CREATE INDEX message_numbers ON message USING brin (destino text_bloom_ops, external_id text_bloom_ops)
    WITH (pages_per_range = 64);

-- The partitions of `message`, as the catalog has them: each holds the campaigns from the first one up to the end, which
-- it does not hold itself. Sealed = written without free space, since nothing of it changes any more.
CREATE VIEW message_range AS
SELECT c.relname::text AS name, b.bound[1]::bigint AS first_campaign, b.bound[2]::bigint AS end_campaign,
       coalesce('fillfactor=100' = ANY(c.reloptions), false) AS sealed, pg_table_size(c.oid) AS bytes, c.reltuples::bigint AS rows
FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
CROSS JOIN LATERAL (
    SELECT regexp_match(pg_get_expr(c.relpartbound, c.oid), '\(''?([0-9]+)''?\) TO \(''?([0-9]+)''?\)') AS bound
) b
WHERE i.inhparent = 'message'::regclass AND b.bound IS NOT NULL;

-- Ranges for the campaigns up to this one, and :ahead more. A range is as wide as a week has campaigns, so that a year has
-- some fifty. Made beside the table and attached, which waits for nobody who reads, loads or settles.
CREATE FUNCTION make_message_ranges(campaign_id bigint, ahead int) RETURNS int LANGUAGE plpgsql AS $$
DECLARE
    first bigint;
    width bigint;
    made int := 0;
    ranges int;
BEGIN
    LOOP
        SELECT coalesce(max(end_campaign), 1), count(*) FILTER (WHERE first_campaign > campaign_id) INTO first, ranges
        FROM message_range;
        EXIT WHEN first > campaign_id AND ranges >= ahead;
        IF made = 0 THEN
            PERFORM pg_advisory_xact_lock(7108);
            made := 1;
            CONTINUE;  -- another session may have made them meanwhile
        END IF;
        SELECT greatest(8, least(10000, campaign_id - coalesce((
            SELECT id FROM campaign WHERE created_at < now() - interval '7 days' ORDER BY id DESC LIMIT 1), 0))) INTO width;
        EXECUTE format('CREATE TABLE message_%s (LIKE message INCLUDING DEFAULTS INCLUDING CONSTRAINTS)
                        WITH (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.4)', first);
        EXECUTE format('ALTER TABLE message ATTACH PARTITION message_%s FOR VALUES FROM (%s) TO (%s)',
                       first, first, first + width);
        made := made + 1;
    END LOOP;
    RETURN greatest(0, made - 1);
END
$$;
SELECT make_message_ranges(0, 2);

-- Keeps everybody else out of a range, its readers as well.
CREATE FUNCTION lock_message_range(name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('LOCK TABLE %I IN ACCESS EXCLUSIVE MODE', name);
END
$$;

-- Writes a range anew without free space, in the order of its key, and makes an index by number.
CREATE FUNCTION seal_message_range(name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('ALTER TABLE %I SET (fillfactor = 100)', name);
    EXECUTE format('ALTER INDEX %I SET (fillfactor = 100)', name || '_pkey');
    EXECUTE format('CLUSTER %I USING %I', name, name || '_pkey');
    EXECUTE format('CREATE INDEX %I ON %I (destino) WITH (fillfactor = 100)', name || '_destino', name);
    EXECUTE format('ANALYZE %I', name);
END
$$;

CREATE FUNCTION drop_message_range(name text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('DROP TABLE %I', name);
END
$$;

-- The lists of a campaign: the one that it was made from, and those that were appended.
CREATE TABLE campaign_list (
    campaign_id bigint NOT NULL REFERENCES campaign,
    list_no smallint NOT NULL CHECK (list_no > 0),
    name text NOT NULL,
    format text NOT NULL,
    columns jsonb NOT NULL,             -- the headings, in order
    separator text,                     -- of a CSV
    options jsonb NOT NULL,             -- how its rows were read
    fingerprint text,                   -- equal for lists that say the same to the same numbers
    upload_id bigint REFERENCES upload, -- the list itself, where one is kept
    loaded_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (campaign_id, list_no)
);
CREATE INDEX campaign_list_fingerprint ON campaign_list (fingerprint);
CREATE INDEX campaign_list_of_upload ON campaign_list (upload_id) WHERE upload_id IS NOT NULL;

-- Rows of a list that could not become a message, each with its line and why.
CREATE TABLE invalid_row (
    campaign_id bigint NOT NULL REFERENCES campaign,
    list_no smallint NOT NULL DEFAULT 1,
    line bigint NOT NULL,
    raw text NOT NULL,
    code smallint CHECK (code BETWEEN -12 AND 1 OR code IN (-14, -99)),
    reason text NOT NULL,               -- a slug
    detail text NOT NULL,               -- in words
    facts jsonb NOT NULL DEFAULT '{}',  -- what the words say: column, value, limit
    PRIMARY KEY (campaign_id, list_no, line)
);

-- Results per code, kept in the settling transaction: progress never counts messages.
CREATE TABLE chunk_result (
    campaign_id bigint NOT NULL,
    chunk_no int NOT NULL,
    code smallint NOT NULL CHECK (code BETWEEN -12 AND 1 OR code IN (-14, -99)),
    n int NOT NULL CHECK (n >= 0),
    PRIMARY KEY (campaign_id, chunk_no, code)
) WITH (fillfactor = 50);

-- What stays of a campaign when its rows have gone: its chunks' counters by day of the POST and by state (no code), and
-- its results by day and code (no state). The day is Argentina's; null = never posted.
CREATE TABLE campaign_sum (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    campaign_id bigint NOT NULL REFERENCES campaign,
    account_id bigint NOT NULL REFERENCES account,
    day date,
    state text,
    code smallint CHECK (code BETWEEN -12 AND 1 OR code IN (-14, -99)),
    chunks int NOT NULL DEFAULT 0,
    messages bigint NOT NULL DEFAULT 0,
    resulted bigint NOT NULL DEFAULT 0,
    suppressed bigint NOT NULL DEFAULT 0,
    CHECK ((state IS NULL) <> (code IS NULL))
);
CREATE INDEX campaign_sum_of_campaign ON campaign_sum (campaign_id);
CREATE INDEX campaign_sum_by_day ON campaign_sum (account_id, day);

-- Every POST that was ever begun, and what came of it.
CREATE TABLE attempt (
    chunk_id bigint NOT NULL REFERENCES chunk,
    attempt int NOT NULL,
    messages int NOT NULL,
    claimed_at timestamptz NOT NULL DEFAULT now(),
    provider_at timestamptz NOT NULL,
    lease_until timestamptz NOT NULL,   -- no outcome of its own worker comes after it
    finished_at timestamptz,
    outcome text CHECK (outcome IN ('accepted', 'not_delivered', 'not_started', 'refused', 'in_doubt', 'lost')),
    detail text,
    PRIMARY KEY (chunk_id, attempt),
    CHECK ((outcome IS NULL) = (finished_at IS NULL))
) WITH (fillfactor = 70);

-- Result lines beyond the one that is kept in `message`: each distinct (idinterno, fecha, text) once.
CREATE TABLE result_line (
    campaign_id bigint NOT NULL,
    seq int NOT NULL,
    generation smallint NOT NULL,
    fecha timestamptz NOT NULL,
    text text NOT NULL,
    code smallint NOT NULL CHECK (code BETWEEN -12 AND 1 OR code IN (-14, -99)),
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (campaign_id, seq, generation, fecha, text)
);

-- Lines of a doubtful chunk that the provider, asked by idinterno after the horizon, did not know.
CREATE TABLE absence (
    campaign_id bigint NOT NULL,
    seq int NOT NULL,
    chunk_no int NOT NULL,
    probed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (campaign_id, chunk_no, seq)
);

CREATE TABLE optout (
    destino text PRIMARY KEY,
    source text NOT NULL,
    reason text,
    since timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX optout_by_time ON optout (since, destino);

-- Who changed what, why and when: written in the transaction of the change.
CREATE TABLE audit_entry (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    actor_kind text NOT NULL CHECK (actor_kind IN ('user', 'key', 'system')),
    actor text NOT NULL,
    action text NOT NULL CHECK (action ~ '^[a-z_]+[.][a-z_]+$'),  -- a noun and a verb: campaign.pause
    campaign_id bigint REFERENCES campaign,
    chunk_no int,
    reason text,
    detail jsonb NOT NULL DEFAULT '{}'
);
-- What made chunks due that were not: see claimable_since.
CREATE INDEX audit_of_released ON audit_entry (id)
    WHERE action IN ('campaign.resolve', 'campaign.retry', 'database.restored', 'account.rekey', 'account.unblock');
CREATE INDEX audit_of_campaign ON audit_entry (campaign_id, id) WHERE campaign_id IS NOT NULL;
CREATE INDEX audit_of_preparation ON audit_entry ((detail ->> 'preparation')) WHERE detail ->> 'preparation' IS NOT NULL;

-- Who may call the API, and what for.
CREATE TABLE api_key (
    id text PRIMARY KEY CHECK (id ~ '^[a-z0-9]{8}$'),
    secret_sha256 text NOT NULL CHECK (secret_sha256 ~ '^[0-9a-f]{64}$'),
    name text NOT NULL,
    scopes text[] NOT NULL CHECK (cardinality(scopes) > 0),
    networks text[] NOT NULL DEFAULT '{}',  -- none = from anywhere
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    expires_at timestamptz,
    last_used_at timestamptz,  -- to the minute
    revoked_at timestamptz
);

-- What a call under an Idempotency-Key answered; calls whose own row keeps the key are not here.
CREATE TABLE api_replay (
    operation text,
    idempotency_key text CHECK (length(idempotency_key) BETWEEN 1 AND 200),
    body_sha256 text NOT NULL,  -- of method, path and body
    created_at timestamptz NOT NULL DEFAULT now(),
    lease_until timestamptz NOT NULL,  -- while it runs; another call may take over later
    expires_at timestamptz NOT NULL,  -- when it is deleted
    status int CHECK (status BETWEEN 200 AND 299),  -- null = it runs
    headers text[] NOT NULL DEFAULT '{}',
    answer bytea,
    PRIMARY KEY (operation, idempotency_key),
    CHECK ((status IS NULL) = (answer IS NULL))
);
CREATE INDEX api_replay_expired ON api_replay (expires_at);  -- drop_old_replays

-- Endpoints of other services that are told of events. A deleted one stays until its deliveries are gone.
CREATE TABLE webhook (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL UNIQUE CHECK (public_id ~ '^wh_[0-9a-f]{24}$'),
    url text NOT NULL,
    events text[] NOT NULL CHECK (cardinality(events) > 0),
    state text NOT NULL DEFAULT 'active' CHECK (state IN ('active', 'disabled', 'deleted')),
    secret text NOT NULL,                       -- signing needs it as it is
    former_secret text,                         -- signs too, until former_until
    former_until timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    disabled_at timestamptz,
    disabled_why text CHECK (disabled_why IN ('operator', 'gone', 'failures')),
    failures int NOT NULL DEFAULT 0,            -- in a row
    failing_since timestamptz,
    succeeded_at timestamptz,
    retry_at timestamptz,                       -- nothing is delivered before
    listens_until timestamptz,                  -- a terminal that listens takes its deliveries itself
    CHECK ((failures = 0) = (failing_since IS NULL)),
    CHECK ((former_secret IS NULL) = (former_until IS NULL)),
    CHECK ((state = 'disabled') = (disabled_why IS NOT NULL)),
    CHECK ((disabled_at IS NULL) = (disabled_why IS NULL))
) WITH (fillfactor = 50);

-- What happened, written in the transaction of what it tells of. No row of a campaign is referred to by key: an event
-- must not lock it.
CREATE TABLE webhook_event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    public_id text NOT NULL,                    -- the same at every attempt, and at every endpoint
    type text NOT NULL CHECK (type ~ '^[a-z_]+([.][a-z_]+)?$'),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    campaign_id bigint,
    data jsonb NOT NULL,                        -- without numbers and texts of people
    body text                                   -- as it is sent, written before the first attempt
);

-- One event on its way to one endpoint. No endpoint is referred to by key: what an event tells of must not wait for a
-- change of the endpoint, and must not fail with it.
CREATE TABLE webhook_delivery (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    webhook_id bigint NOT NULL,
    event_id bigint NOT NULL REFERENCES webhook_event,
    campaign_id bigint,
    state text NOT NULL DEFAULT 'due' CHECK (state IN ('due', 'sending', 'delivered', 'failed')),
    attempt int NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    next_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    tried_at timestamptz,
    finished_at timestamptz,
    lease_until timestamptz,
    status int,                                 -- of HTTP, of the last attempt
    answer text,                                -- the first characters of it
    error text,                                 -- why there was none, or why it is no success
    CHECK ((state = 'sending') = (lease_until IS NOT NULL)),
    CHECK ((state IN ('delivered', 'failed')) = (finished_at IS NOT NULL))
) WITH (fillfactor = 70);
CREATE INDEX webhook_delivery_to_claim ON webhook_delivery (webhook_id, next_at, id) WHERE state = 'due';
CREATE INDEX webhook_delivery_in_order ON webhook_delivery (webhook_id, campaign_id, id)
    WHERE state IN ('due', 'sending') AND campaign_id IS NOT NULL;
CREATE INDEX webhook_delivery_sending ON webhook_delivery (webhook_id) WHERE state = 'sending';
CREATE INDEX webhook_delivery_of_webhook ON webhook_delivery (webhook_id, id);
CREATE INDEX webhook_delivery_of_event ON webhook_delivery (event_id, webhook_id);

-- Samples of saldo and envios: corroborating evidence, never proof alone, for others may share the account.
CREATE TABLE balance (
    account_id bigint NOT NULL REFERENCES account,
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    saldo bigint,
    envios bigint,
    PRIMARY KEY (account_id, at),
    CHECK (saldo IS NOT NULL OR envios IS NOT NULL)
);

CREATE TABLE campaign_request (
    idempotency_key text PRIMARY KEY CHECK (length(idempotency_key) BETWEEN 1 AND 200),
    payload_hash text NOT NULL,
    payload jsonb,                      -- until it is loaded: what a restarted worker loads from
    campaign_id bigint REFERENCES campaign,
    state text NOT NULL CHECK (state IN ('received', 'created', 'refused', 'failed')),
    error text,
    tries int NOT NULL DEFAULT 0,
    holder text,                        -- the process that loads it
    lease_until timestamptz,            -- when another may take over
    upload_id bigint REFERENCES upload, -- its list, when that came as a file
    file_awaited_since timestamptz,     -- the file has not been found on any host yet
    looked_at timestamptz,              -- when a host looked for it last
    looked_on text[] NOT NULL DEFAULT '{}',     -- where hosts have looked
    created_by text,
    reserved_id bigint,                 -- the number that its campaign will have
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    CHECK (file_awaited_since IS NULL OR (state = 'received' AND upload_id IS NULL)),
    CHECK ((holder IS NULL) = (lease_until IS NULL)),
    CHECK (state = 'received' OR holder IS NULL),
    CHECK ((state = 'created') = (campaign_id IS NOT NULL)),
    CHECK ((state = 'received') <= (payload IS NOT NULL))
);

CREATE INDEX campaign_request_reserved ON campaign_request (reserved_id) WHERE reserved_id IS NOT NULL;
CREATE INDEX campaign_request_received ON campaign_request (created_at) WHERE state = 'received';
CREATE INDEX campaign_request_of_campaign ON campaign_request (campaign_id) WHERE campaign_id IS NOT NULL;
CREATE INDEX campaign_request_without ON campaign_request (created_at) WHERE state IN ('refused', 'failed');
CREATE INDEX campaign_request_of_upload ON campaign_request (upload_id) WHERE upload_id IS NOT NULL;

-- The longest time from POST to result, by the hour in which the result came: how long absence must wait.
CREATE TABLE result_delay (
    account_id bigint NOT NULL REFERENCES account,
    hour timestamptz NOT NULL,
    longest_ms bigint NOT NULL CHECK (longest_ms >= 0),
    PRIMARY KEY (account_id, hour)
);

-- Answers whose sentence no pattern knew: kept visible.
CREATE TABLE unmapped_sentence (
    sentence text PRIMARY KEY,
    n bigint NOT NULL,
    first_seen timestamptz NOT NULL DEFAULT now(),
    last_seen timestamptz NOT NULL DEFAULT now()
);

-- Counters for the metrics, as increments that nobody waits for; the tick folds them.
CREATE TABLE tally (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    kind text NOT NULL CHECK (kind IN ('result', 'attempt')),
    label text NOT NULL,                -- a result code, or the outcome of a POST
    n bigint NOT NULL
);

CREATE TABLE heartbeat (
    name text PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now()
);

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
    answered_at timestamptz,
    answered_by text,
    done_at timestamptz,
    done_by text,
    CHECK ((answered_at IS NULL) = (answered_by IS NULL)),
    CHECK ((done_at IS NULL) = (done_by IS NULL)),
    UNIQUE (account_id, provider_id),
    CHECK (provider_id IS NOT NULL OR pushed_at IS NOT NULL),
    CHECK (repeated_at IS NULL OR provider_id IS NULL),
    CHECK ((campaign_id IS NULL) = (seq IS NULL))
);
CREATE INDEX reply_by_number ON reply (origen, received_at);
CREATE INDEX reply_by_time ON reply (received_at, id);
CREATE INDEX reply_to_review ON reply (received_at)
    WHERE kind = 'review' AND done_at IS NULL AND answered_at IS NULL AND repeated_at IS NULL;
CREATE INDEX reply_new ON reply (received_at, id)
    WHERE done_at IS NULL AND answered_at IS NULL AND repeated_at IS NULL;
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

-- Numbers of persons who had opted out and were erased: known again when they come, and otherwise unknown.
CREATE TABLE erased_optout (
    hmac text PRIMARY KEY CHECK (hmac ~ '^[0-9a-f]{64}$'),  -- of the number, under a key that is outside the database
    at timestamptz NOT NULL DEFAULT now()
);

-- Erasures of persons; one stays open while a message to the person is on its way or in doubt.
CREATE TABLE erasure (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    destino text,                       -- until nothing about the person is open; then null
    reason text NOT NULL,
    asked_by text NOT NULL,
    asked_at timestamptz NOT NULL DEFAULT now(),
    opted_out boolean NOT NULL,         -- before it was asked for
    done_at timestamptz,
    CHECK ((destino IS NULL) = (done_at IS NOT NULL))
);
CREATE INDEX erasure_open ON erasure (id) WHERE done_at IS NULL;

-- The do-not-send list: numbers that the provider said cannot receive (-1 fixed line, -2 too many failures).
CREATE TABLE undeliverable (
    destino text PRIMARY KEY,
    code smallint NOT NULL CHECK (code IN (-1, -2)),
    since timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    CHECK (expires_at >= since)
);

-- The No Llame registry (Ley 26.951): numbers that marketing must not reach. An import writes the difference to the list
-- before, so that who reads it sees either list whole.
CREATE TABLE no_llame (
    destino text PRIMARY KEY
);

-- Where the registry stands; no row = none was imported. The numbers are here once more, as a compressed bitmap that a
-- load reads in milliseconds, written in the transaction that writes no_llame.
CREATE TABLE no_llame_registry (
    only_one boolean PRIMARY KEY DEFAULT true CHECK (only_one),
    numbers int NOT NULL CHECK (numbers > 0),
    bitmap bytea NOT NULL,              -- roaring, portable form, 64 bits
    version text NOT NULL,              -- drawn at each import
    taken_at timestamptz NOT NULL,      -- when the file was taken from the registry
    imported_at timestamptz NOT NULL DEFAULT now(),
    imported_by text NOT NULL,
    source text NOT NULL,               -- the file's name
    CHECK (taken_at <= imported_at)
);

-- How many messages of a campaign were left out and why, kept with the suppression itself.
CREATE TABLE left_out (
    campaign_id bigint NOT NULL REFERENCES campaign,
    reason text NOT NULL CHECK (reason IN
        ('optout_at_load', 'optout_at_claim', 'no_llame_at_load', 'no_llame_at_claim', 'undeliverable_at_load',
         'undeliverable_at_claim')),
    n int NOT NULL CHECK (n > 0),
    PRIMARY KEY (campaign_id, reason)
);

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
    code smallint CHECK (code BETWEEN -12 AND 1 OR code IN (-14, -99)),
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
CREATE INDEX single_message_of_number ON single_message (destino, created_at);
CREATE INDEX single_message_sending ON single_message (lease_until) WHERE state = 'sending';

-- Who may use the page.
CREATE TABLE page_user (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    name text NOT NULL CHECK (length(name) BETWEEN 1 AND 100),
    role text NOT NULL CHECK (role IN ('viewer', 'operator', 'sender', 'admin')),
    password_hash text,                 -- argon2; null until a password was chosen
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    disabled_at timestamptz
);
CREATE UNIQUE INDEX page_user_name ON page_user (lower(name));

-- Links that let a user in, each once and for some minutes.
CREATE TABLE sign_in_link (
    token_sha256 text PRIMARY KEY CHECK (token_sha256 ~ '^[0-9a-f]{64}$'),
    user_id bigint NOT NULL REFERENCES page_user,
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);

-- Browsers that a user signed in with; one that was not seen for 12 hours is over.
CREATE TABLE page_session (
    token_sha256 text PRIMARY KEY CHECK (token_sha256 ~ '^[0-9a-f]{64}$'),
    user_id bigint NOT NULL REFERENCES page_user,
    created_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),     -- kept to the minute
    ended_at timestamptz
);
CREATE INDEX page_session_of_user ON page_session (user_id);

-- Passwords that were wrong of late: whoever guesses has to wait.
CREATE TABLE sign_in_failure (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at timestamptz NOT NULL DEFAULT now(),
    name_sha256 text NOT NULL,          -- somebody may type the password there
    address text
);
CREATE INDEX sign_in_failure_at ON sign_in_failure (at);

-- The forms of a campaign as far as they are filled in on the page; anyone with the role continues.
CREATE TABLE preparation (
    id text PRIMARY KEY CHECK (id ~ '^[0-9a-f]{32}$'),
    version int NOT NULL DEFAULT 1,     -- two people on one preparation: both are told
    upload_id text NOT NULL,            -- public_id of its list
    inspection jsonb NOT NULL,          -- what the list looks like: columns and its first rows
    spec jsonb NOT NULL DEFAULT '{}',   -- what was filled in so far
    check_id text,                      -- public_id of the check of the list and the spec as they are
    request_key text,                   -- idempotency_key of the campaign that was made of it
    created_at timestamptz NOT NULL DEFAULT now(),
    created_by text NOT NULL,
    changed_at timestamptz NOT NULL DEFAULT now(),
    changed_by text NOT NULL
);
CREATE INDEX preparation_changed ON preparation (changed_at);

CREATE VIEW message_status AS
SELECT m.campaign_id,
       m.seq,
       m.external_id,
       m.destino,
       m.texto,
       encode_idinterno(p.prefix, m.campaign_id, m.generation, m.seq) AS idinterno,
       CASE
           WHEN m.result_code = 0 THEN 'ok'
           WHEN m.result_code = 1 THEN 'simulated'
           WHEN m.result_code IS NOT NULL THEN 'rejected'
           WHEN m.suppressed IS NOT NULL THEN 'suppressed'
           ELSE CASE k.state
               WHEN 'due' THEN 'pending'
               WHEN 'sending' THEN 'submitted'
               WHEN 'accepted' THEN 'submitted'
               WHEN 'in_doubt' THEN 'in_doubt'
               WHEN 'held' THEN 'held'
               WHEN 'cancelled' THEN 'cancelled'
               WHEN 'expired' THEN 'expired'
               ELSE 'unknown'
           END
       END AS status,
       m.result_code::int AS result_code,
       CASE WHEN m.result_code = 0 THEN coalesce(m.result_text, 'OK') ELSE m.result_text END AS result_text,
       m.chunk_no,
       CASE WHEN m.suppressed IS NULL AND (k.state NOT IN ('due', 'cancelled', 'expired') OR m.result_code IS NOT NULL)
            THEN k.posted_at END AS submitted_at,
       m.processed_at
FROM message m
JOIN chunk k ON k.campaign_id = m.campaign_id AND k.chunk_no = m.chunk_no
JOIN campaign p ON p.id = m.campaign_id;
