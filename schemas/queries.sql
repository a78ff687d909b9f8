-- The statements on which correctness under concurrency rests. Each has a name and says what it guarantees.
-- Times: `clock_timestamp()` is the database's clock; :earliest and :latest bound the provider's clock now.

-- name: lock_account
-- One claimer per account at a time; no row when the configured credential is not the account's.
SELECT id FROM account WHERE id = :account_id AND fingerprint = :fingerprint FOR NO KEY UPDATE;

-- name: read_conditions
-- Runs after lock_account, in a snapshot of its own, so that the counts are those of this moment.
SELECT a.*,
       (SELECT prefix FROM installation) AS prefix,
       clock_timestamp() AS db_now,
       coalesce(n.in_flight, 0) AS in_flight,
       coalesce(n.doubts, 0) AS doubts
FROM account a
LEFT JOIN (
    SELECT account_id,
           count(*) FILTER (WHERE state = 'sending') AS in_flight,
           count(*) FILTER (WHERE state = 'in_doubt') AS doubts
    FROM chunk WHERE account_id = :account_id AND state IN ('sending', 'in_doubt') GROUP BY account_id
) n ON n.account_id = a.id
WHERE a.id = :account_id;

-- name: claim_chunk
-- due -> sending with a new attempt and a lease, for the next chunk of the campaign whose turn it is; two claimers
-- never get the same chunk. The campaign is locked: pause and cancel wait for this transaction, or it sees them. The
-- look-ups of chunks are all by scalars, so that chunk_to_claim gives them in order: a join or a sort would read every
-- due chunk of the campaign for each claim. A canary bounds the index, or all behind it would be read for nothing.
-- ORDER BY keeps the planner to the index, where it would otherwise read the whole table to find any one row. A
-- campaign's last line waits until the others have ended, so that its result says something about them. :only claims
-- that chunk or none.
WITH chosen AS (
    SELECT c.id, c.prefix, c.intent, c.registry, c.test, c.expires_at, c.not_on, c.html, c.canary_chunks, c.started_at IS NULL AS begins
    FROM campaign c
    WHERE c.account_id = :account_id AND c.state IN ('scheduled', 'running')
      AND (c.start_at IS NULL OR c.start_at <= :earliest) AND (c.expires_at IS NULL OR c.expires_at > :latest)
      AND NOT c.not_on && CAST(:closed AS text[])
      AND rate_allows(c.rate_free_at, c.rate)
      AND ((SELECT CAST(:only AS bigint)) IS NULL OR c.id = (SELECT campaign_id FROM chunk WHERE id = CAST(:only AS bigint)))
      AND (SELECT NOT k.goes_last OR NOT EXISTS (SELECT 1 FROM chunk o WHERE o.campaign_id = k.campaign_id
                                                 AND o.state = 'sending')
           FROM chunk k WHERE k.campaign_id = c.id AND k.state = 'due'
             AND k.root_no <= coalesce(c.canary_chunks, 2147483647) ORDER BY k.root_no LIMIT 1)
    ORDER BY array_position(CAST(:wheel AS text[]), c.priority), c.turn, c.id
    LIMIT 1
    FOR NO KEY UPDATE OF c
), claimed AS (
    UPDATE chunk SET state = 'sending', attempt = attempt + 1,
           lease_until = clock_timestamp() + make_interval(secs => :lease),
           first_post_at = coalesce(first_post_at, :earliest), posted_at = clock_timestamp()
    WHERE id = (
        SELECT k.id FROM chunk k WHERE k.campaign_id = (SELECT id FROM chosen) AND k.state = 'due'
          AND k.root_no <= coalesce((SELECT canary_chunks FROM chosen), 2147483647)
          AND ((SELECT CAST(:only AS bigint)) IS NULL OR k.id = CAST(:only AS bigint))
          AND (NOT k.goes_last OR NOT EXISTS (SELECT 1 FROM chunk o WHERE o.campaign_id = k.campaign_id
                                              AND o.state IN ('due', 'sending') AND o.id <> k.id))
        ORDER BY k.root_no, k.chunk_no LIMIT 1 FOR NO KEY UPDATE OF k SKIP LOCKED
    )
    RETURNING id, chunk_no, root_no, first_seq, last_seq, attempt, resends, lease_until,
              messages - resulted - suppressed AS unsettled
), taken AS (
    UPDATE campaign SET turn = :turn, state = 'running', started_at = coalesce(started_at, clock_timestamp()),
           rate_free_at = clock_timestamp() + interval '1 minute' * ((SELECT unsettled FROM claimed)::float / rate)
    WHERE id = (SELECT id FROM chosen) AND EXISTS (SELECT 1 FROM claimed)
)
SELECT k.*, c.id AS campaign_id, c.prefix, c.test, c.expires_at, c.not_on, c.html, c.begins,
       c.intent = 'marketing' AND c.registry IS DISTINCT FROM (SELECT version FROM no_llame_registry) AS asks_registry
FROM claimed k, chosen c;

-- name: due_exists
-- Whether any campaign that may run has a chunk that may be claimed, whatever its start. ORDER BY keeps the planner to
-- chunk_to_claim, as in claim_chunk.
SELECT 1 FROM campaign c WHERE c.account_id = :account_id AND c.state IN ('scheduled', 'running')
  AND (SELECT true FROM chunk k WHERE k.campaign_id = c.id AND k.state = 'due'
       AND k.root_no <= coalesce(c.canary_chunks, 2147483647) ORDER BY k.root_no LIMIT 1) LIMIT 1;

-- name: begin_attempt
-- What is still to send of a claimed chunk, read in the claiming transaction: no line with a result, no opted-out number,
-- none of the do-not-send list. With it the record of the POST that is about to begin, and the account's next turn (in a
-- trial, nothing more before :retry_at), but neither for a chunk with nothing left to send.
-- Each list is asked by its primary key, so no line can come twice, and not at all while it is empty: two outer joins
-- would cost a quarter of the claim's time even then. The scalar look-ups, unlike EXISTS, are never turned into a hash of
-- a whole list. Marketing asks the No Llame registry too, by a statement of the same text
-- and more, unless the registry is still the one that the campaign was loaded by.
-- The idinterno is encode_idinterno's, with what all lines share computed once (:head, :checksum), the check character
-- taken from bytes and the hex digits raised without a locale; the key's own order spares a sort: together half of this
-- statement.
WITH content AS MATERIALIZED (
    SELECT string_agg(:head || chr(71 + l.generation) || upper(to_hex(l.seq) COLLATE "C")
                      || chr(get_byte(CAST('0123456789ABCDEFGHJKLMNPRTUVWXY' AS bytea),
                                      (:checksum + 3 * l.generation + l.seq % 31) % 31))
                      || chr(9) || l.destino || chr(9) || l.texto, chr(13) || chr(10))
               FILTER (WHERE l.listed IS NULL) AS bloque,
           count(*) FILTER (WHERE l.listed IS NULL) AS lines,
           array_agg(l.seq) FILTER (WHERE l.listed = 1) AS opted_out,
           array_agg(l.seq) FILTER (WHERE l.listed = 3) AS no_llame,  -- in begin_marketing_attempt alone
           array_agg(l.seq) FILTER (WHERE l.listed = 2) AS undeliverable
    FROM (
        SELECT m.generation, m.seq, m.destino, m.texto,
               CASE WHEN (SELECT EXISTS (SELECT 1 FROM optout))
                         AND (SELECT true FROM optout o WHERE o.destino = m.destino) THEN 1
                    WHEN (SELECT true FROM no_llame r WHERE r.destino = m.destino) THEN 3  -- in begin_marketing_attempt alone
                    WHEN (SELECT EXISTS (SELECT 1 FROM undeliverable))
                         AND (SELECT true FROM undeliverable u
                              WHERE u.destino = m.destino AND u.expires_at > clock_timestamp()) THEN 2
               END AS listed
        FROM message m
        WHERE m.campaign_id = :campaign_id AND m.seq BETWEEN :first_seq AND :last_seq AND m.chunk_no = :chunk_no
          AND m.result_code IS NULL AND m.suppressed IS NULL
          -- Looked at again for a resend: a trace that came after the split speaks for the first line. The flag is a
          -- scalar look-up, so that no value of it makes a plan of its own cheaper: each claim would plan anew.
          AND ((SELECT CAST(:resends AS int) = 0)
               OR NOT EXISTS (SELECT 1 FROM result_line r WHERE r.campaign_id = m.campaign_id
                              AND r.seq = m.seq AND r.generation = m.generation))
        ORDER BY m.campaign_id, m.seq
        OFFSET 0  -- so that each line is looked up once, not once for each column above
    ) l
), begun AS (
    INSERT INTO attempt (chunk_id, attempt, messages, provider_at, lease_until)
    SELECT :chunk_id, :attempt, lines, :earliest, CAST(:lease_until AS timestamptz) FROM content WHERE lines > 0
), turned AS (
    UPDATE account SET turn = :turn, rate_free_at = :rate_free_at, retry_at = :retry_at
    WHERE id = :account_id AND (SELECT lines FROM content) > 0
)
SELECT * FROM content;

-- name: suppress_lines
-- A list beats the queue: these lines of the claimed chunk will not be sent. The claim holds the campaign's row, so
-- its count of those left out has one writer.
WITH marked AS (
    UPDATE message SET suppressed = :reason
    WHERE campaign_id = :campaign_id AND seq = ANY(:seqs) AND result_code IS NULL AND suppressed IS NULL
    RETURNING 1
), counted AS (
    INSERT INTO left_out AS l (campaign_id, reason, n)
    SELECT :campaign_id, :reason, count(*)::int FROM marked HAVING count(*) > 0
    ON CONFLICT (campaign_id, reason) DO UPDATE SET n = l.n + excluded.n
)
UPDATE chunk SET suppressed = suppressed + (SELECT count(*) FROM marked) WHERE id = :chunk_id;

-- name: remove_no_llame
-- Numbers that are in the registry no longer.
DELETE FROM no_llame WHERE destino = ANY(CAST(:numbers AS text[]));

-- name: settle_empty_claim
-- A claimed chunk with nothing left to send ends here, in the claiming transaction, without a POST.
UPDATE chunk SET state = 'settled', settled_at = clock_timestamp(), lease_until = NULL
WHERE id = :chunk_id AND state = 'sending' AND attempt = :attempt;

-- name: finish_accepted
-- OK counts for its own attempt alone, also when the lease ran out or the chunk was held meanwhile. It wakes the poll, and ends the account's
-- backoff and a block by an answer. It ends no block by results, since the provider takes a bulk POST without credit
-- too, and no block that began after this POST did (one that lies ahead was written before the clock was stepped back).
-- The account's row is touched only when that changes something.
WITH moved AS (
    UPDATE chunk SET state = CASE WHEN resulted + suppressed = messages THEN 'settled' ELSE 'accepted' END,
           settled_at = CASE WHEN resulted + suppressed = messages THEN clock_timestamp() END,
           accepted_at = clock_timestamp(), lease_until = NULL, doubt_since = NULL, doubt_reason = NULL,
           probe_at = clock_timestamp() + interval '60 seconds', probes = 0
    WHERE id = :chunk_id AND state IN ('sending', 'in_doubt', 'held') AND attempt = :attempt
    RETURNING state, posted_at
), ended AS (
    -- A late answer may correct a lost attempt.
    UPDATE attempt SET finished_at = clock_timestamp(), outcome = 'accepted', detail = NULL
    WHERE chunk_id = :chunk_id AND attempt = :attempt AND (outcome IS NULL OR outcome = 'lost')
    RETURNING outcome
), tallied AS (
    INSERT INTO tally (kind, label, n) SELECT 'attempt', outcome, 1 FROM ended
), woken AS (
    -- Written over the account's columns alone, so that after waiting for its row Postgres judges the newest one.
    UPDATE account a
    SET poll_misses = 0, poll_at = least(a.poll_at, clock_timestamp() + interval '1 second'),
        failures = CASE WHEN a.blocked_cause <> 'answer' OR a.blocked_at BETWEEN m.posted_at AND clock_timestamp()
                        THEN a.failures ELSE 0 END,
        blocked_at = CASE WHEN a.blocked_cause <> 'answer' OR a.blocked_at BETWEEN m.posted_at AND clock_timestamp()
                          THEN a.blocked_at END,
        blocked_words = CASE WHEN a.blocked_cause <> 'answer' OR a.blocked_at BETWEEN m.posted_at AND clock_timestamp()
                             THEN a.blocked_words END,
        blocked_cause = CASE WHEN a.blocked_cause <> 'answer' OR a.blocked_at BETWEEN m.posted_at AND clock_timestamp()
                             THEN a.blocked_cause END,
        retry_at = CASE WHEN a.blocked_cause <> 'answer' OR a.blocked_at BETWEEN m.posted_at AND clock_timestamp()
                        THEN a.retry_at
                        WHEN :trial THEN clock_timestamp() + interval '1 second' END
    FROM moved m
    WHERE a.id = :account_id
      AND (a.failures > 0 OR a.blocked_at IS NOT NULL OR a.poll_misses > 0 OR a.retry_at IS NOT NULL
           OR a.poll_at > clock_timestamp() + interval '1 second')
)
SELECT state FROM moved;

-- name: take_back_resend
-- An OK that came after its doubt was split: the lines that are due again were taken, so they are not sent again. What
-- is claimed already cannot be called back.
UPDATE chunk c SET state = CASE WHEN c.resulted + c.suppressed = c.messages THEN 'settled' ELSE 'accepted' END,
       settled_at = CASE WHEN c.resulted + c.suppressed = c.messages THEN clock_timestamp() END,
       accepted_at = clock_timestamp(), doubt_since = NULL, doubt_reason = NULL,
       probe_at = clock_timestamp() + interval '60 seconds', probes = 0
FROM chunk p
WHERE p.id = :chunk_id AND p.attempt = :attempt AND p.state <> 'sending' AND c.campaign_id = p.campaign_id
  AND c.parent_no = p.chunk_no AND c.resends = p.resends + 1 AND c.state IN ('due', 'held')
RETURNING c.chunk_no, c.state;

-- name: finish_undelivered
-- Back to due on proof that the provider took nothing of this attempt. Absence found meanwhile proves nothing of the
-- next one. A held chunk stays held: a life of the database that was lost may have sent it. Its attempt says what came.
WITH moved AS (
    UPDATE chunk SET state = 'due', lease_until = NULL, doubt_since = NULL, doubt_reason = NULL
    WHERE id = :chunk_id AND state IN ('sending', 'in_doubt') AND attempt = :attempt
    RETURNING state, campaign_id, chunk_no
), forgotten AS (
    DELETE FROM absence p USING moved WHERE p.campaign_id = moved.campaign_id AND p.chunk_no = moved.chunk_no
)
SELECT state FROM moved;

-- name: finish_in_doubt
-- The outcome is unknown: never due again without evidence.
UPDATE chunk k SET state = CASE WHEN resulted + suppressed = messages THEN 'settled' ELSE 'in_doubt' END,
       settled_at = CASE WHEN resulted + suppressed = messages THEN clock_timestamp() END,
       lease_until = NULL, doubt_since = clock_timestamp(), doubt_reason = :reason,
       doubt_observed_ms = a.observed_ms
           + least(:cap_ms, coalesce(extract(epoch FROM clock_timestamp() - a.polled_at) * 1000, 0)::bigint),
       probe_at = clock_timestamp(), probes = 0, evidence_at = NULL, evidence_observed_ms = NULL
FROM account a
WHERE k.id = :chunk_id AND a.id = k.account_id AND k.state = 'sending' AND k.attempt = :attempt
RETURNING k.state;

-- name: end_attempt
-- The outcome of a POST that was not accepted.
WITH ended AS (
    UPDATE attempt SET finished_at = clock_timestamp(), outcome = :outcome, detail = :detail
    WHERE chunk_id = :chunk_id AND attempt = :attempt AND (outcome IS NULL OR outcome = 'lost')
    RETURNING outcome
)
INSERT INTO tally (kind, label, n) SELECT 'attempt', outcome, 1 FROM ended;

-- name: account_failed
-- One step of the account's backoff; POSTs that failed together count as one step.
UPDATE account SET failures = failures + 1,
       retry_at = clock_timestamp() + backoff(failures),
       poll_at = least(poll_at, clock_timestamp() + interval '1 second'), poll_misses = 0
WHERE id = :account_id AND (retry_at IS NULL OR retry_at <= clock_timestamp());

-- name: account_doubted
-- A doubt alone does not stop the account (three do, at the claim), but it lengthens the next step.
UPDATE account SET failures = failures + 1,
       poll_at = least(poll_at, clock_timestamp() + interval '1 second'), poll_misses = 0
WHERE id = :account_id AND failures < 12;

-- name: provider_answered
-- An answer after calls that found nobody: polls, and POSTs that were not delivered, go on at once. A block or a trial
-- keeps its pace, since there the provider was reached and its answer was the trouble. A moment more than :longest
-- seconds ahead was written before the database's clock was stepped back, and counts no more.
UPDATE account a SET
       poll_at = CASE WHEN poll_failures > 0 OR poll_at > t.never THEN least(poll_at, t.now) ELSE poll_at END,
       retry_at = CASE WHEN retry_at > t.never
                            OR blocked_at IS NULL AND (SELECT count(*) FROM chunk k WHERE k.account_id = a.id
                                                       AND k.state = 'in_doubt') < :doubts_for_trial
                       THEN least(retry_at, t.now) ELSE retry_at END,
       poll_lease_until = CASE WHEN poll_lease_until > t.never THEN NULL ELSE poll_lease_until END,
       probe_free_at = CASE WHEN probe_free_at > t.never THEN t.now ELSE probe_free_at END,
       rate_free_at = CASE WHEN rate_free_at > t.never THEN t.now ELSE rate_free_at END
FROM (SELECT clock_timestamp() AS now, clock_timestamp() + make_interval(secs => :longest) AS never) t
WHERE a.id = :account_id
  AND (retry_at > t.now OR (poll_failures > 0 AND poll_at > t.now)
       OR greatest(poll_at, poll_lease_until, probe_free_at, rate_free_at) > t.never);

-- name: begin_clock
-- One question about the provider's date at a time, and a pause after one that failed: calls that a dead host swallows
-- must not fill the workers' slots.
UPDATE account SET clock_ask_at = clock_timestamp() + make_interval(secs => :wait)
WHERE id = :account_id AND (clock_ask_at IS NULL OR clock_ask_at NOT BETWEEN clock_timestamp()
                            AND clock_timestamp() + make_interval(secs => :wait))
RETURNING id;

-- name: begin_balance
-- As begin_clock, for saldo and envíos.
UPDATE account SET balance_at = clock_timestamp()
WHERE id = :account_id AND (balance_at IS NULL OR balance_at <= clock_timestamp() - make_interval(secs => :wait))
RETURNING id;

-- name: account_blocked
-- The provider refuses the account: its chunks stay due; one trial a backoff step until a later POST is accepted. Tells
-- whether the block began with this one: of several at once, one does.
WITH before AS (
    SELECT id, blocked_at FROM account WHERE id = :account_id FOR NO KEY UPDATE
)
UPDATE account a SET blocked_at = clock_timestamp(), blocked_words = :words,
       blocked_cause = coalesce(a.blocked_cause, 'answer'), failures = a.failures + 1,
       retry_at = clock_timestamp() + backoff(a.failures, 5)
FROM before WHERE a.id = before.id
RETURNING before.blocked_at IS NULL AS begun;

-- name: take_trial
-- A blocked account's one call of this backoff step, for a single message; no row when it is not time yet.
UPDATE account SET retry_at = clock_timestamp() + backoff(failures, 5)
WHERE id = :account_id AND blocked_at IS NOT NULL AND (retry_at IS NULL OR retry_at <= clock_timestamp())
RETURNING id;

-- name: end_block
-- A single message that was accepted ends a block, and nothing else: campaigns have backoff steps of their own.
UPDATE account SET blocked_at = NULL, blocked_words = NULL, blocked_cause = NULL, failures = 0, retry_at = NULL
WHERE id = :account_id AND blocked_at IS NOT NULL;

-- name: rescue_leases
-- A lease that ran out means that nobody knows: in doubt, or settled when every result is in. So does one more than
-- :longest seconds ahead, left from before the database's clock was stepped back; a late OK counts in any case.
WITH late AS (
    SELECT id FROM chunk WHERE account_id = :account_id AND state = 'sending'
      AND lease_until NOT BETWEEN clock_timestamp() AND clock_timestamp() + make_interval(secs => :longest)
    ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
), moved AS (
    UPDATE chunk k SET state = CASE WHEN resulted + suppressed = messages THEN 'settled' ELSE 'in_doubt' END,
           settled_at = CASE WHEN resulted + suppressed = messages THEN clock_timestamp() END,
           lease_until = NULL, doubt_since = clock_timestamp(), doubt_reason = 'lease_expired',
           doubt_observed_ms = a.observed_ms
               + least(:cap_ms, coalesce(extract(epoch FROM clock_timestamp() - a.polled_at) * 1000, 0)::bigint),
           probe_at = clock_timestamp(), probes = 0, evidence_at = NULL, evidence_observed_ms = NULL
    FROM late, account a
    WHERE k.id = late.id AND a.id = k.account_id
    RETURNING k.id, k.attempt, k.campaign_id, k.chunk_no
), recorded AS (
    UPDATE attempt t SET finished_at = clock_timestamp(), outcome = 'lost', detail = 'lease_expired'
    FROM moved WHERE t.chunk_id = moved.id AND t.attempt = moved.attempt AND t.outcome IS NULL
    RETURNING t.outcome
), tallied AS (
    INSERT INTO tally (kind, label, n) SELECT 'attempt', outcome, count(*) FROM recorded GROUP BY outcome
)
SELECT campaign_id, chunk_no, attempt FROM moved;

-- name: lock_roots
-- Locks the families that a settling batch touches, in ascending order; answers when their lines first left.
SELECT k.campaign_id, k.chunk_no, k.first_post_at
FROM chunk k JOIN unnest(CAST(:campaigns AS bigint[]), CAST(:chunks AS int[])) AS b (campaign_id, chunk_no)
     ON k.campaign_id = b.campaign_id AND k.chunk_no = b.chunk_no
ORDER BY k.id
FOR NO KEY UPDATE OF k;

-- name: latest_moment
-- The latest that the provider's clock may show now, with two seconds to spare.
SELECT clock_timestamp() + make_interval(secs => coalesce(clock_high_ms, 0) / 1000.0 + 2) FROM account WHERE id = :account_id;

-- name: settle_lines
-- First results only: a message that has one is not touched. Counters move with exactly the rows that changed.
-- A -4 on a line that moved to a child chunk does not count here: the first line's result decides.
-- Also answers the longest time from POST to result, from the chunk's last POST unless the result is older than that: from
-- the first one, each resend would make the next doubt wait twice as long. A fecha ahead of the provider's own clock counts
-- for nothing but its line.
-- Where a batch of one campaign is dense, settle_range reads its whole range of keys instead of looking each up.
WITH settled AS (
    UPDATE message m SET result_code = t.code, processed_at = t.fecha,
           -- The provider's words name the number, which a person who was erased has no longer.
           result_text = CASE WHEN m.destino = '' THEN '(erased)' ELSE t.text END
    FROM settle_line t
    WHERE m.campaign_id = t.campaign_id AND m.seq = t.seq AND m.generation = t.generation
      AND m.campaign_id = :campaign_id AND m.seq BETWEEN :first_seq AND :last_seq  -- in settle_range alone
      -- In a CASE the planner takes this for half of the table, not for one row: with one row it would read all
      -- messages once for every line of the batch.
      AND CASE WHEN m.result_code IS NULL AND m.suppressed IS NULL THEN true ELSE false END
      AND (t.code <> -4 OR t.root_no IS NULL OR m.chunk_no = t.root_no)
    RETURNING m.campaign_id, m.chunk_no, m.seq, m.result_code, m.processed_at
), per_code AS (
    SELECT campaign_id, chunk_no, result_code AS code, count(*)::int AS n, max(seq) AS last_seq,
           max(processed_at) FILTER (WHERE processed_at <= :latest) AS last
    FROM settled GROUP BY 1, 2, 3
), per_chunk AS (
    SELECT campaign_id, chunk_no, sum(n)::int AS n, max(last_seq) AS last_seq, max(last) AS last FROM per_code GROUP BY 1, 2
), counted AS (
    INSERT INTO chunk_result AS r (campaign_id, chunk_no, code, n)
    SELECT campaign_id, chunk_no, code, n FROM per_code ORDER BY 1, 2, 3
    ON CONFLICT (campaign_id, chunk_no, code) DO UPDATE SET n = r.n + excluded.n
), tallied AS (
    INSERT INTO tally (kind, label, n) SELECT 'result', code::text, sum(n) FROM per_code GROUP BY code
), moved AS (
    UPDATE chunk k SET resulted = k.resulted + p.n,
           traced_seq = greatest(k.traced_seq, p.last_seq), resulted_at = greatest(k.resulted_at, p.last),
           state = CASE WHEN k.state IN ('accepted', 'in_doubt', 'held')
                             AND k.resulted + p.n + k.suppressed = k.messages
                        THEN 'settled' ELSE k.state END,
           settled_at = CASE WHEN k.state IN ('accepted', 'in_doubt', 'held')
                                  AND k.resulted + p.n + k.suppressed = k.messages
                             THEN clock_timestamp() ELSE k.settled_at END,
           probe_at = CASE WHEN k.state = 'accepted' THEN clock_timestamp() + interval '60 seconds'
                           ELSE k.probe_at END
    FROM per_chunk p
    WHERE k.campaign_id = p.campaign_id AND k.chunk_no = p.chunk_no
      AND k.campaign_id = :campaign_id  -- in settle_range alone
    RETURNING k.campaign_id, k.state, p.n,
              p.last - coalesce((SELECT t.provider_at FROM attempt t WHERE t.chunk_id = k.id AND t.attempt = k.attempt
                                 AND t.provider_at < p.last + interval '1 second'), k.first_post_at) AS delay
)
SELECT coalesce(sum(n), 0)::int AS settled,
       array_agg(DISTINCT campaign_id) FILTER (WHERE state = 'settled') AS campaigns,
       extract(epoch FROM max(delay))::float AS delay
FROM moved;

-- name: unsettled_lines
-- The lines of the batch that differ from what the message holds: candidates for result_line or an overwrite.
SELECT t.campaign_id, t.seq, t.generation, t.fecha, t.code, coalesce(t.text, 'OK') AS text,
       m.chunk_no, m.generation AS message_generation, m.result_code, m.result_text, m.processed_at
FROM settle_line t JOIN message m ON m.campaign_id = t.campaign_id AND m.seq = t.seq
WHERE m.destino <> ''  -- of a person who was erased nothing more is kept
  AND (m.processed_at IS DISTINCT FROM t.fecha OR m.result_text IS DISTINCT FROM t.text
       OR m.result_code IS DISTINCT FROM t.code OR m.generation <> t.generation);

-- name: keep_line
-- Each distinct (idinterno, fecha, text) once.
INSERT INTO result_line (campaign_id, seq, generation, fecha, text, code)
VALUES (:campaign_id, :seq, :generation, :fecha, :text, :code) ON CONFLICT DO NOTHING;

-- name: overwrite_error
-- OK overwrites an error, never the reverse.
UPDATE message SET result_code = :code, result_text = :text, processed_at = :fecha
WHERE campaign_id = :campaign_id AND seq = :seq AND generation = :generation
  AND result_code NOT IN (0, 1) AND :code IN (0, 1)
RETURNING chunk_no;

-- name: move_count
-- Keeps the per-code counters true when a result changes.
WITH taken AS (
    UPDATE chunk_result SET n = n - 1 WHERE campaign_id = :campaign_id AND chunk_no = :chunk_no AND code = :old
), tallied AS (
    INSERT INTO tally (kind, label, n) VALUES ('result', CAST(:new AS int)::text, 1)
)
INSERT INTO chunk_result AS r (campaign_id, chunk_no, code, n) VALUES (:campaign_id, :chunk_no, :new, 1)
ON CONFLICT (campaign_id, chunk_no, code) DO UPDATE SET n = r.n + 1;

-- name: lock_complete
-- Campaigns whose chunks are all final, locked. Locks only campaigns; two settlers of the last chunks are caught by the
-- next tick.
SELECT c.id FROM campaign c
WHERE c.account_id = :account_id AND c.state IN ('scheduled', 'running', 'paused')
  AND NOT EXISTS (SELECT 1 FROM chunk k WHERE k.campaign_id = c.id AND k.state = 'due')
  AND NOT EXISTS (SELECT 1 FROM chunk k WHERE k.campaign_id = c.id
                  AND k.state IN ('sending', 'accepted', 'in_doubt', 'held'))
ORDER BY c.id FOR NO KEY UPDATE;

-- name: complete_campaigns
-- Completed = every chunk final, in a snapshot taken under the lock: a list or a child chunk that was added meanwhile is
-- seen.
UPDATE campaign c SET state = 'completed', completed_at = clock_timestamp(), reason = NULL
WHERE c.id = ANY(:ids) AND c.state IN ('scheduled', 'running', 'paused')
  AND NOT EXISTS (SELECT 1 FROM chunk k WHERE k.campaign_id = c.id AND k.state = 'due')
  AND NOT EXISTS (SELECT 1 FROM chunk k WHERE k.campaign_id = c.id
                  AND k.state IN ('sending', 'accepted', 'in_doubt', 'held'))
RETURNING c.id;

-- name: retire_due
-- Due chunks of cancelled campaigns, and of campaigns past their deadline by the provider's clock, will not be sent.
-- While that clock is not known (:latest is null) no deadline passes.
UPDATE chunk k SET state = CASE WHEN c.state = 'cancelled' THEN 'cancelled' ELSE 'expired' END
FROM campaign c
WHERE k.id IN (
    SELECT d.id FROM chunk d JOIN campaign g ON g.id = d.campaign_id
    WHERE g.account_id = :account_id AND d.state = 'due'
      AND (g.state = 'cancelled' OR (g.state <> 'completed' AND g.expires_at <= CAST(:latest AS timestamptz)))
    ORDER BY d.id FOR NO KEY UPDATE OF d SKIP LOCKED
) AND c.id = k.campaign_id
RETURNING k.campaign_id, k.chunk_no, k.state;

-- name: begin_poll
-- One poller per account; a dead poller's lease runs out.
UPDATE account SET poll_lease_until = clock_timestamp() + make_interval(secs => :lease), poll_turn = poll_turn + 1
WHERE id = :account_id AND fingerprint = :fingerprint
  AND (poll_lease_until IS NULL OR poll_lease_until < clock_timestamp())
RETURNING poll_turn;

-- name: poll_worked
-- Cursor and observed time move only with or after the commit that settled the rows, and only by the holder of the lease.
-- Observed time is the open-window time between two polls that worked, :cap_ms at most, and none of what lies before
-- :read_from when results from before it were passed over.
UPDATE account SET cursors = :cursors, poll_failures = 0, poll_words = NULL,
       observed_ms = observed_ms + CASE WHEN :counts THEN
           least(:cap_ms, greatest(0, extract(epoch FROM CAST(:begun_at AS timestamptz)
                 - greatest(coalesce(polled_at, :begun_at), CAST(:read_from AS timestamptz))) * 1000))::bigint
           ELSE 0 END,
       polled_at = CASE WHEN :counts THEN CAST(:begun_at AS timestamptz) END,
       passed_over_at = CASE WHEN CAST(:read_from AS timestamptz) IS NULL THEN passed_over_at
                             ELSE CAST(:begun_at AS timestamptz) END,
       poll_lease_until = clock_timestamp() + make_interval(secs => :lease)
WHERE id = :account_id AND poll_turn = :poll_turn;

-- name: poll_goes_on
-- The holder of the lease keeps it for another question. A sweep that failed has had its turn; the cursor itself stays.
UPDATE account SET cursors = coalesce(CAST(:cursors AS timestamptz[]), cursors),
       poll_lease_until = clock_timestamp() + make_interval(secs => :lease)
WHERE id = :account_id AND poll_turn = :poll_turn;

-- name: poll_failed
-- A poll that failed moves no cursor, and the time until the next that works does not count as observed.
UPDATE account SET poll_failures = poll_failures + 1, poll_words = :words, polled_at = NULL
WHERE id = :account_id AND poll_turn = :poll_turn;

-- name: end_poll
-- Gives the lease back and says when to poll next.
-- A POST accepted meanwhile has reset the misses: then soon.
UPDATE account SET poll_lease_until = NULL, poll_misses = :misses,
       poll_at = clock_timestamp() + make_interval(secs => CASE WHEN poll_misses < :misses - 1 THEN 1 ELSE :wait END)
WHERE id = :account_id AND poll_turn = :poll_turn;

-- name: poll_state
-- What a poll plan is made from; the prefix changes when the database is restored.
SELECT (SELECT prefix FROM installation) AS prefix, reading, cursors, poll_misses, poll_failures, clock_timestamp() AS db_now,
       EXISTS (SELECT 1 FROM chunk WHERE account_id = :account_id
               AND state IN ('sending', 'accepted', 'in_doubt', 'held')) AS awaited
FROM account WHERE id = :account_id;

-- name: cluster
-- Which cluster this is, and which of its histories: after a failover or a restore one of the two is another.
SELECT s.system_identifier, c.timeline_id FROM pg_control_system() s, pg_control_checkpoint() c;

-- name: count_malformed
-- Lines of poll answers that were no result lines.
UPDATE account SET malformed_lines = malformed_lines + :n, odd_lines_at = clock_timestamp() WHERE id = :account_id;

-- name: count_late
-- Results that only a question by idinterno brought: the polls had passed over them.
UPDATE account SET late_lines = late_lines + :n, odd_lines_at = clock_timestamp() WHERE id = :account_id;

-- name: odd_results
-- What came that was not expected, and what was expected and did not come: messages written off within a day.
SELECT a.malformed_lines, a.late_lines, a.foreign_lines, a.early_lines, a.odd_lines_at,
       coalesce(a.odd_lines_at > clock_timestamp() - interval '1 day', false) AS odd_today,
       (SELECT coalesce(sum(messages - resulted - suppressed), 0) FROM chunk
        WHERE account_id = :account_id AND state = 'settled' AND resulted + suppressed < messages
          AND settled_at > clock_timestamp() - interval '1 day') AS unknown_today,
       u.n AS unmapped, u.last_seen AS unmapped_at, u.sentence AS unmapped_words,
       coalesce(u.last_seen > clock_timestamp() - interval '1 day', false) AS unmapped_today
FROM account a
LEFT JOIN (
    SELECT sum(n) OVER () AS n, last_seen, sentence FROM unmapped_sentence ORDER BY last_seen DESC LIMIT 1
) u ON true
WHERE a.id = :account_id;

-- name: known_result
-- A settled line of this account with its fecha, the latest: what the reading of fecha is found with. The answer of a
-- unit call has no fecha of the provider's.
SELECT m.campaign_id, m.seq, m.generation, m.processed_at, c.prefix
FROM chunk k JOIN campaign c ON c.id = k.campaign_id
JOIN message m ON m.campaign_id = k.campaign_id AND m.seq BETWEEN k.first_seq AND k.last_seq AND m.chunk_no = k.chunk_no
WHERE k.account_id = :account_id AND k.resulted > 0 AND m.result_code IS NOT NULL AND c.html IS NULL
ORDER BY k.id DESC LIMIT 1;

-- name: oldest_accepted
-- One open line of each of the oldest accepted chunks, then of doubtful ones, which may have no result ever, then of
-- any that a restore has held: some of those were sent, and nobody knows which.
SELECT k.campaign_id, c.prefix, l.seq, l.generation
FROM chunk k JOIN campaign c ON c.id = k.campaign_id
CROSS JOIN LATERAL (
    SELECT m.seq, m.generation FROM message m
    WHERE m.campaign_id = k.campaign_id AND m.seq BETWEEN k.first_seq AND k.last_seq AND m.chunk_no = k.chunk_no
      AND m.result_code IS NULL AND m.suppressed IS NULL
    ORDER BY m.seq LIMIT 1
) l
WHERE k.account_id = :account_id AND k.state IN ('accepted', 'in_doubt', 'held')
ORDER BY array_position(ARRAY['accepted', 'in_doubt', 'held'], k.state), k.posted_at, random() LIMIT :limit;

-- name: set_reading
-- What a fecha question brings, as found by probing.
UPDATE account SET reading = :reading, reading_found_at = clock_timestamp(), cursors = '{}' WHERE id = :account_id;

-- name: awaiting_results
-- What polls wait for: since when (provider's clock), and how recent the youngest POST is.
SELECT min(first_post_at) AS since, count(*) AS chunks, max(posted_at) AS youngest
FROM chunk WHERE account_id = :account_id AND state IN ('sending', 'accepted', 'in_doubt', 'held');

-- name: awaiting_late_results
-- Messages written off as unknown within two days: a late result still settles them.
SELECT min(first_post_at) AS since, count(*) AS chunks FROM chunk
WHERE account_id = :account_id AND state = 'settled' AND resulted + suppressed < messages
  AND settled_at > clock_timestamp() - interval '2 days';

-- name: give_up_on_results
-- Accepted, no result within the horizon, and a poll that worked since: unknown, unless it still arrives. When polls
-- passed over results, what was posted before has the whole horizon again, for questions by idinterno. A chunk that only
-- the operator knows to be sent (held after a restore) counts from their word.
UPDATE chunk k SET state = 'settled', settled_at = clock_timestamp()
FROM account a
WHERE k.id IN (
    SELECT id FROM chunk WHERE account_id = :account_id AND state = 'accepted'
      AND coalesce(posted_at, accepted_at) < clock_timestamp() - make_interval(secs => :horizon)
    ORDER BY id FOR NO KEY UPDATE SKIP LOCKED
) AND a.id = k.account_id
  AND a.polled_at > greatest(coalesce(k.posted_at, k.accepted_at), a.passed_over_at) + make_interval(secs => :horizon)
RETURNING k.campaign_id, k.chunk_no, k.messages - k.resulted - k.suppressed AS unknown;

-- name: note_evidence
-- The provider has worked past a doubtful POST: a line that was handed in after it has its OK. A refusal
-- says nothing: a number on a list may be refused as it is read, long before the queue comes to it. TEST speaks for
-- TEST, and unit calls, which do not wait in the bulk queue, for unit calls. A resent line says nothing: its result may
-- be the first one's.
UPDATE chunk k SET evidence_at = clock_timestamp(), evidence_observed_ms = a.observed_ms
FROM account a, campaign c
WHERE a.id = :account_id AND k.account_id = a.id AND c.id = k.campaign_id AND k.state = 'in_doubt' AND k.evidence_at IS NULL
  AND EXISTS (SELECT 1 FROM chunk l JOIN campaign d ON d.id = l.campaign_id
              JOIN chunk_result r ON r.campaign_id = l.campaign_id AND r.chunk_no = l.chunk_no
              WHERE l.account_id = k.account_id AND l.posted_at > k.doubt_since AND l.resulted > 0
                AND l.resulted_at IS NOT NULL AND l.resends = 0 AND r.code IN (0, 1) AND r.n > 0
                AND d.test = c.test AND (d.html IS NULL) = (c.html IS NULL))
RETURNING k.campaign_id, k.chunk_no;

-- name: accept_traced
-- The provider reads a bloque in order, so a line with a result shows that every line before it was taken too. A doubt
-- of which nothing is left behind the last such line was taken whole.
UPDATE chunk k SET state = 'accepted', accepted_at = clock_timestamp(), doubt_since = NULL, doubt_reason = NULL,
       probe_at = clock_timestamp() + interval '60 seconds', probes = 0
WHERE k.account_id = :account_id AND k.state = 'in_doubt' AND k.resends = 0 AND k.traced_seq IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM message m WHERE m.campaign_id = k.campaign_id AND m.seq BETWEEN k.traced_seq + 1 AND k.last_seq
                  AND m.chunk_no = k.chunk_no AND m.result_code IS NULL AND m.suppressed IS NULL)
RETURNING k.campaign_id, k.chunk_no;

-- name: doubts_to_resolve
-- Doubtful chunks past the horizon that may be decided now. `evident`: there is evidence, the wait after it has passed
-- (the horizon, or twice the longest time from POST to result of a day), and at most 5 % of what was taken in the hour
-- before it still waits. `late`: the result horizon has passed, so that the operator decides. What may not be resent is
-- asked for at once.
SELECT k.id, k.campaign_id, k.chunk_no, k.root_no, k.attempt, k.resends, k.first_seq, k.last_seq, k.traced_seq, k.posted_at,
       k.evidence_at, c.prefix, c.on_doubt, c.test, c.html IS NOT NULL AS by_unit, e.evident,
       a.observed_ms - k.doubt_observed_ms >= :result_horizon_ms AS late
FROM chunk k JOIN campaign c ON c.id = k.campaign_id JOIN account a ON a.id = k.account_id
CROSS JOIN LATERAL (
    SELECT k.evidence_at IS NOT NULL
       AND a.observed_ms - k.evidence_observed_ms >= greatest(:horizon_ms, 2 * (
               SELECT max(longest_ms) FROM result_delay
               WHERE account_id = k.account_id AND hour > clock_timestamp() - interval '25 hours'))
       AND (c.html IS NOT NULL OR (
            SELECT coalesce(sum(t.waiting), 0) <= 0.05 * coalesce(sum(t.lines), 0) FROM (
                SELECT o.messages - o.resulted - o.suppressed AS waiting, o.messages - o.suppressed AS lines
                FROM chunk o JOIN campaign d ON d.id = o.campaign_id
                WHERE o.account_id = k.account_id AND o.state IN ('accepted', 'settled') AND o.accepted_at IS NOT NULL
                  AND o.posted_at > k.evidence_at - interval '1 hour' AND o.posted_at <= k.evidence_at
                  AND (o.resulted > 0 OR o.state IN ('sending', 'accepted', 'in_doubt', 'held'))
                  AND d.test = c.test AND d.html IS NULL
                UNION ALL
                SELECT o.messages - o.suppressed, o.messages - o.suppressed FROM chunk o
                WHERE o.account_id = k.account_id AND o.state = 'settled' AND o.resulted + o.suppressed < o.messages
                  AND o.resulted = 0 AND o.settled_at > k.evidence_at - interval '1 hour'
                  AND o.posted_at > k.evidence_at - interval '1 hour' AND o.posted_at <= k.evidence_at
            ) t)) AS evident
) e
WHERE k.account_id = :account_id AND k.state = 'in_doubt' AND k.probe_at <= clock_timestamp()
  AND a.observed_ms - k.doubt_observed_ms >= :horizon_ms
  AND (e.evident OR c.on_doubt = 'hold' OR k.resends >= :max_resends
       OR a.observed_ms - k.doubt_observed_ms >= :result_horizon_ms)
ORDER BY k.id
LIMIT 20;

-- name: taken_and_waiting
-- Lines of a doubtful chunk before the last one with a result: taken, and still without a result of their own.
SELECT count(*)::int FROM message m
WHERE m.campaign_id = :campaign_id AND m.seq BETWEEN :first_seq AND :traced_seq - 1 AND m.chunk_no = :chunk_no
  AND m.result_code IS NULL AND m.suppressed IS NULL;

-- name: balance_against
-- How many messages saldo or envíos moved by between two samples around a doubtful POST, beyond all that our own lines
-- can explain: those posted between the samples, and those whose results came between them. Null when the samples say
-- nothing.
WITH before AS (
    SELECT b.at, b.saldo, b.envios FROM balance b JOIN chunk k ON k.id = :chunk_id
    WHERE b.account_id = k.account_id AND b.at <= k.posted_at ORDER BY b.at DESC LIMIT 1
), after AS (
    SELECT b.at, b.saldo, b.envios FROM balance b JOIN chunk k ON k.id = :chunk_id
    WHERE b.account_id = k.account_id AND b.at > k.evidence_at ORDER BY b.at DESC LIMIT 1
), moved AS (
    SELECT before.at AS since, after.at AS until,
           greatest(before.saldo - after.saldo, after.envios - before.envios) AS by
    FROM before, after
    WHERE coalesce(after.saldo <= before.saldo, true) AND coalesce(after.envios >= before.envios, true)
), explained AS (
    SELECT coalesce(sum(CASE WHEN o.id = :chunk_id THEN o.resulted ELSE o.messages - o.suppressed END), 0)
           + (SELECT count(*) FROM single_message s WHERE s.account_id = :account_id AND s.created_at > moved.since) AS n
    FROM moved LEFT JOIN chunk o ON o.account_id = :account_id
         AND o.posted_at > moved.since - interval '2 days' AND o.state <> 'due'
         AND (o.posted_at > moved.since OR o.resulted_at > moved.since OR o.state = 'accepted')
    GROUP BY moved.since
)
SELECT moved.by - explained.n AS unexplained FROM moved, explained;

-- name: begin_probe
-- One round of questions by idinterno at a time; a dead prober's lease runs out.
UPDATE account SET probe_lease_until = clock_timestamp() + make_interval(secs => :lease), probe_turn = probe_turn + 1
WHERE id = :account_id
  AND (probe_lease_until IS NULL OR probe_lease_until NOT BETWEEN clock_timestamp()
                                    AND clock_timestamp() + make_interval(secs => 2 * :lease))
RETURNING probe_turn;

-- name: probe_goes_on
-- The holder of the lease keeps it for another question; no row when somebody else has it.
UPDATE account SET probe_lease_until = clock_timestamp() + make_interval(secs => :lease)
WHERE id = :account_id AND probe_turn = :probe_turn
RETURNING id;

-- name: end_probe
-- Gives the lease back.
UPDATE account SET probe_lease_until = NULL WHERE id = :account_id AND probe_turn = :probe_turn;

-- name: later_unit_line
-- A unit call made after a doubtful one that the provider took for sure: whether its status page knows this one tells
-- whether its not knowing the other means anything.
SELECT m.seq, m.generation, m.campaign_id, d.prefix
FROM chunk k JOIN campaign c ON c.id = k.campaign_id
JOIN chunk l ON l.account_id = k.account_id AND l.posted_at > k.doubt_since AND l.resulted > 0 AND l.resends = 0
JOIN campaign d ON d.id = l.campaign_id AND d.html IS NOT NULL AND d.test = c.test
JOIN message m ON m.campaign_id = l.campaign_id AND m.seq BETWEEN l.first_seq AND l.last_seq AND m.chunk_no = l.chunk_no
WHERE k.id = :chunk_id AND m.result_code IN (0, 1)
ORDER BY l.posted_at LIMIT 1;

-- name: lines_to_probe
-- Lines of a doubtful chunk without a trace that were not yet found absent, behind :behind (the last line that has a
-- result).
SELECT m.seq, m.generation FROM message m
WHERE m.campaign_id = :campaign_id AND m.seq BETWEEN greatest(:first_seq, CAST(:behind AS int) + 1) AND :last_seq
  AND m.chunk_no = :chunk_no AND m.result_code IS NULL AND m.suppressed IS NULL
  AND NOT EXISTS (SELECT 1 FROM result_line r WHERE r.campaign_id = m.campaign_id AND r.seq = m.seq
                  AND r.generation = m.generation)
  AND NOT EXISTS (SELECT 1 FROM absence p WHERE p.campaign_id = m.campaign_id AND p.chunk_no = m.chunk_no
                  AND p.seq = m.seq)
ORDER BY m.seq LIMIT :limit;

-- name: has_result
-- Whether a message is settled.
SELECT 1 FROM message WHERE campaign_id = :campaign_id AND seq = :seq AND result_code IS NOT NULL;

-- name: record_absence
-- The provider, asked after the horizon, did not know this line: evidence about the attempt that was in doubt when it was
-- asked, and about no later one.
INSERT INTO absence (campaign_id, seq, chunk_no)
SELECT k.campaign_id, :seq, k.chunk_no FROM chunk k
WHERE k.id = :chunk_id AND k.state = 'in_doubt' AND k.attempt = :attempt FOR SHARE
ON CONFLICT DO NOTHING;

-- name: take_probe_slots
-- One bounded rate of idinterno questions per account over all workers.
UPDATE account SET probe_free_at = greatest(probe_free_at, clock_timestamp()) + make_interval(secs => :n / CAST(:rate AS float))
WHERE id = :account_id AND coalesce(probe_free_at, clock_timestamp()) <= clock_timestamp()
RETURNING id;

-- name: lock_for_split
-- The family's lock first, then the doubtful chunk itself, still in the same attempt.
SELECT k.id FROM chunk k
WHERE k.campaign_id = :campaign_id AND k.chunk_no IN (:root_no, :chunk_no)
ORDER BY k.id FOR NO KEY UPDATE;

-- name: lock_campaign
-- After the chunks, as everywhere: two families of a campaign take their child's number one after the other.
SELECT id FROM campaign WHERE id = :campaign_id FOR NO KEY UPDATE;

-- name: split_absent
-- The lines found absent, and only they, move to one child chunk. The parent keeps what left a trace, and what was
-- taken with it: lines before the last one that has a result, unless the operator's word (:by_word) speaks of every
-- open line. Moves nothing unless every other open line was found absent.
WITH parent AS (
    SELECT k.* FROM chunk k
    WHERE k.id = :chunk_id AND k.state IN ('in_doubt', 'held') AND k.attempt = :attempt
), open_lines AS (
    SELECT m.seq,
           EXISTS (SELECT 1 FROM absence p WHERE p.campaign_id = m.campaign_id AND p.chunk_no = m.chunk_no
                   AND p.seq = m.seq)
           AND NOT EXISTS (SELECT 1 FROM result_line r WHERE r.campaign_id = m.campaign_id AND r.seq = m.seq
                           AND r.generation = m.generation) AS absent
    FROM parent k JOIN message m ON m.campaign_id = k.campaign_id AND m.seq BETWEEN k.first_seq AND k.last_seq
         AND m.chunk_no = k.chunk_no
    WHERE m.result_code IS NULL AND m.suppressed IS NULL
      AND (:by_word OR k.resends > 0 OR m.seq > coalesce(k.traced_seq, 0))
), proof AS (
    SELECT count(*)::int AS n FROM open_lines HAVING count(*) > 0 AND bool_and(absent)
), child AS (
    INSERT INTO chunk (campaign_id, account_id, chunk_no, root_no, parent_no, first_seq, last_seq, messages, state,
                       resends, first_post_at)
    SELECT k.campaign_id, k.account_id,
           (SELECT max(chunk_no) + 1 FROM chunk WHERE campaign_id = k.campaign_id), k.root_no, k.chunk_no,
           k.first_seq, k.last_seq, proof.n, 'due', k.resends + 1, k.first_post_at
    FROM parent k, proof
    RETURNING campaign_id, chunk_no
), moved AS (
    UPDATE message m SET chunk_no = child.chunk_no
    FROM child, open_lines o WHERE m.campaign_id = child.campaign_id AND m.seq = o.seq
    RETURNING 1
), ended AS (
    UPDATE chunk k SET messages = k.messages - proof.n, settled_at = clock_timestamp(),
           state = CASE WHEN k.resulted + k.suppressed = k.messages - proof.n THEN 'split' ELSE 'accepted' END,
           accepted_at = CASE WHEN k.resulted + k.suppressed = k.messages - proof.n THEN k.accepted_at
                              ELSE clock_timestamp() END
    FROM proof WHERE k.id = :chunk_id AND EXISTS (SELECT 1 FROM child)
)
SELECT child.chunk_no, proof.n AS messages FROM child, proof;

-- name: hold_chunk
-- For the operator to decide: no resend is allowed, or none is left.
UPDATE chunk SET state = 'held', doubt_reason = doubt_reason || :why
WHERE id = :chunk_id AND state = 'in_doubt' AND attempt = :attempt
RETURNING chunk_no;

-- name: stragglers
-- Accepted chunks that have waited long for results: one line of each is asked for by idinterno.
SELECT k.id, k.campaign_id, k.chunk_no, k.first_seq, k.last_seq, k.probes, c.prefix
FROM chunk k JOIN campaign c ON c.id = k.campaign_id
WHERE k.account_id = :account_id AND k.state = 'accepted' AND k.probe_at <= clock_timestamp()
ORDER BY k.probe_at LIMIT :limit;

-- name: back_off_probe
-- Asked and nothing new: ask this chunk again later, twice as late each time, an hour at most.
UPDATE chunk SET probes = probes + 1,
       probe_at = clock_timestamp() + backoff(probes, :base, 3600)
WHERE id = :chunk_id;

-- name: probe_again
-- A chunk whose line answered has more to tell: behind those that are due already, without waiting.
UPDATE chunk SET probe_at = clock_timestamp() WHERE id = :chunk_id AND state = 'accepted';

-- name: lines_without_result
-- Open lines of an accepted chunk, a few, in the order of seq from :start on and round again to the line before it.
SELECT seq, generation FROM (
    (SELECT m.seq, m.generation, 1 AS turn FROM message m
     WHERE m.campaign_id = :campaign_id AND m.seq BETWEEN :start AND :last_seq AND m.chunk_no = :chunk_no
       AND m.result_code IS NULL AND m.suppressed IS NULL
     ORDER BY m.seq LIMIT :limit)
    UNION ALL
    (SELECT m.seq, m.generation, 2 FROM message m
     WHERE m.campaign_id = :campaign_id AND m.seq BETWEEN :first_seq AND :start - 1 AND m.chunk_no = :chunk_no
       AND m.result_code IS NULL AND m.suppressed IS NULL
     ORDER BY m.seq LIMIT :limit)
) l
ORDER BY turn, seq LIMIT :limit;

-- name: pause_campaign
-- Waits for claims in progress (they hold the row); none begins after this commits.
UPDATE campaign SET state = 'paused', reason = :reason, paused_by_watch = :by_watch
WHERE id = :campaign_id AND state IN ('scheduled', 'running')
RETURNING id;

-- name: resume_campaign
-- After a pause by the canary or the reject rate it is the operator's word that the rest may go, and that what was posted
-- so far is judged no more; after any other pause, a canary still goes first.
UPDATE campaign SET state = CASE WHEN started_at IS NULL THEN 'scheduled' ELSE 'running' END, reason = NULL,
       canary_chunks = CASE WHEN NOT paused_by_watch THEN canary_chunks END,
       watched_from = CASE WHEN paused_by_watch THEN clock_timestamp() ELSE watched_from END,
       opened_at = clock_timestamp(), paused_by_watch = false
WHERE id = :campaign_id AND state = 'paused'
RETURNING id;

-- name: cancel_campaign
-- As pause; what is due is retired afterwards, what is in flight still gets its results.
UPDATE campaign SET state = 'cancelled', reason = :reason
WHERE id = :campaign_id AND state IN ('draft', 'scheduled', 'running', 'paused')
RETURNING id;

-- name: send_campaign
-- A draft may run: from the commit on its chunks are claimed, behind what has waited longer.
UPDATE campaign c SET state = 'scheduled', opened_at = clock_timestamp(), turn = a.turn
FROM account a WHERE a.id = c.account_id AND c.id = :campaign_id AND c.state = 'draft'
RETURNING c.id;

-- name: change_campaign
-- What may change before the first chunk is claimed; a claim in progress holds the row.
UPDATE campaign SET name = coalesce(:name, name), priority = coalesce(:priority, priority),
       tags = coalesce(CAST(:tags AS jsonb), tags),
       not_on = coalesce(CAST(:not_on AS text[]), not_on),
       rate = CASE WHEN :sets_rate THEN CAST(:rate AS int) ELSE rate END,
       start_at = CASE WHEN :sets_start THEN CAST(:start_at AS timestamptz) ELSE start_at END,
       expires_at = CASE WHEN :sets_expires THEN CAST(:expires_at AS timestamptz) ELSE expires_at END
WHERE id = :campaign_id AND state IN ('draft', 'scheduled', 'paused') AND started_at IS NULL
RETURNING id;

-- name: refused_lines
-- Resent lines whose only trace is the provider's -4 guard.
SELECT m.seq, m.generation FROM message m
WHERE m.campaign_id = :campaign_id AND m.seq BETWEEN :first_seq AND :last_seq AND m.chunk_no = :chunk_no
  AND m.result_code IS NULL AND m.suppressed IS NULL
  AND EXISTS (SELECT 1 FROM result_line r WHERE r.campaign_id = m.campaign_id AND r.seq = m.seq
              AND r.generation = m.generation)
ORDER BY m.seq LIMIT :limit;

-- name: startable
-- Whether a campaign whose start has come, which sends on this day, and whose rate does not wait, has something due.
SELECT 1 FROM campaign c WHERE c.account_id = :account_id AND c.state IN ('scheduled', 'running')
  AND (c.start_at IS NULL OR c.start_at <= :earliest) AND NOT c.not_on && CAST(:closed AS text[])
  AND rate_allows(c.rate_free_at, c.rate)
  AND (SELECT true FROM chunk k WHERE k.campaign_id = c.id AND k.state = 'due'
         AND k.root_no <= coalesce(c.canary_chunks, 2147483647) ORDER BY k.root_no LIMIT 1)
LIMIT 1;

-- name: claimable_since
-- Since when campaigns have had something to claim and nothing was claimed, as far as they decide that; no row when they
-- have nothing now. A start is told by the provider's clock. A split or an operator's word may make a chunk due.
SELECT greatest(
           min(greatest(coalesce(c.opened_at, c.created_at), c.rate_free_at,
                        CASE WHEN c.not_on <> '{}' THEN CAST(:day_began AS timestamptz) END,
                        clock_timestamp() - (CAST(:earliest AS timestamptz) - c.start_at))),
           -- Each from an index of its own: the account's history is not read.
           (SELECT max(posted_at) FROM chunk WHERE account_id = :account_id
            AND state IN ('sending', 'accepted', 'in_doubt', 'held')),
           (SELECT max(posted_at) FROM chunk WHERE account_id = :account_id AND resulted > 0),
           (SELECT max(settled_at) FROM chunk WHERE account_id = :account_id AND state = 'split'),
           (SELECT at FROM audit_entry
            WHERE action IN ('campaign.resolve', 'campaign.retry', 'database.restored', 'account.rekey',
                             'account.unblock') ORDER BY id DESC LIMIT 1)) AS since
FROM campaign c
WHERE c.account_id = :account_id AND c.state IN ('scheduled', 'running')
  AND (c.start_at IS NULL OR c.start_at <= :earliest) AND (c.expires_at IS NULL OR c.expires_at > :latest)
  AND NOT c.not_on && CAST(:closed AS text[])
  AND rate_allows(c.rate_free_at, c.rate)
  AND EXISTS (SELECT 1 FROM chunk k WHERE k.campaign_id = c.id AND k.state = 'due'
              AND (c.canary_chunks IS NULL OR k.root_no <= c.canary_chunks))
HAVING count(*) > 0;

-- name: work_waiting
-- Whether polls or probes have something to ask for.
SELECT EXISTS (SELECT 1 FROM chunk WHERE account_id = :account_id
               AND state IN ('sending', 'accepted', 'in_doubt', 'held')) AS awaited,
       EXISTS (SELECT 1 FROM chunk WHERE account_id = :account_id AND state = 'settled'
               AND resulted + suppressed < messages
               AND settled_at > clock_timestamp() - interval '2 days') AS late,
       EXISTS (SELECT 1 FROM chunk WHERE account_id = :account_id AND state IN ('sending', 'accepted', 'in_doubt', 'held')
               AND state IN ('accepted', 'in_doubt') AND probe_at <= clock_timestamp()) AS probes,
       (SELECT max(doubt_since) FROM chunk WHERE account_id = :account_id AND state = 'in_doubt') AS doubt_since;

-- name: canaries_done
-- Campaigns whose canary chunks, and what was split from them, are all at their end; nothing else has results then.
-- Whether anything was posted at all.
SELECT c.id, c.max_reject_rate, r.bad, r.results,
       (SELECT EXISTS (SELECT 1 FROM chunk k JOIN attempt t ON t.chunk_id = k.id
                       WHERE k.campaign_id = c.id AND k.chunk_no <= c.canary_chunks)) AS posted
FROM campaign c
CROSS JOIN LATERAL (
    SELECT coalesce(sum(n) FILTER (WHERE code < 0), 0)::int AS bad, coalesce(sum(n), 0)::int AS results
    FROM chunk_result WHERE campaign_id = c.id
) r
WHERE c.account_id = :account_id AND c.canary_chunks IS NOT NULL AND c.state IN ('scheduled', 'running')
  AND (SELECT true FROM chunk k WHERE k.campaign_id = c.id AND k.state = 'due'
         AND k.root_no <= c.canary_chunks ORDER BY k.root_no LIMIT 1) IS NULL
  AND (SELECT true FROM chunk k WHERE k.campaign_id = c.id AND k.state IN ('sending', 'accepted', 'in_doubt', 'held')
         AND k.root_no <= c.canary_chunks ORDER BY k.root_no LIMIT 1) IS NULL;

-- name: pass_canary
-- The rest of the campaign may be claimed.
UPDATE campaign SET canary_chunks = NULL, opened_at = clock_timestamp() WHERE id = :campaign_id AND state IN ('scheduled', 'running');

-- name: recent_results
-- Results of the chunks that were posted last, of each running campaign with a limit on rejected messages: of :chunks of them, or
-- of as many as it takes for :enough results, :most at most. What was posted before the operator overruled a pause is
-- past.
SELECT c.id, c.max_reject_rate, count(*)::int AS chunks, sum(r.bad)::int AS bad, sum(r.results)::int AS results
FROM campaign c
CROSS JOIN LATERAL (
    SELECT l.chunk_no, row_number() OVER newest AS place, sum(l.resulted) OVER newest - l.resulted AS newer
    FROM (
        SELECT chunk_no, resulted, posted_at FROM chunk
        WHERE campaign_id = c.id AND resulted > 0 AND posted_at > coalesce(c.watched_from, '-infinity')
        ORDER BY posted_at DESC LIMIT :most
    ) l
    WINDOW newest AS (ORDER BY l.posted_at DESC, l.chunk_no)
) k
CROSS JOIN LATERAL (
    SELECT coalesce(sum(n) FILTER (WHERE code < 0), 0) AS bad, coalesce(sum(n), 0) AS results
    FROM chunk_result WHERE campaign_id = c.id AND chunk_no = k.chunk_no
) r
WHERE c.account_id = :account_id AND c.max_reject_rate IS NOT NULL AND c.canary_chunks IS NULL AND c.state = 'running'
  AND (k.place <= :chunks OR k.newer < :enough)
GROUP BY c.id, c.max_reject_rate;

-- name: resolve_sent
-- The operator says that the provider took it: accepted, and results or their horizon decide.
UPDATE chunk SET state = CASE WHEN resulted + suppressed = messages THEN 'settled' ELSE 'accepted' END,
       settled_at = CASE WHEN resulted + suppressed = messages THEN clock_timestamp() END,
       accepted_at = clock_timestamp(), probe_at = clock_timestamp(), probes = 0
WHERE id = :chunk_id AND state IN ('in_doubt', 'held') AND attempt = :attempt
RETURNING state;

-- name: absent_by_word
-- The operator says that the provider took none of the lines without a trace.
INSERT INTO absence (campaign_id, seq, chunk_no)
SELECT m.campaign_id, m.seq, m.chunk_no FROM message m
WHERE m.campaign_id = :campaign_id AND m.seq BETWEEN :first_seq AND :last_seq AND m.chunk_no = :chunk_no
  AND m.result_code IS NULL AND m.suppressed IS NULL
  AND NOT EXISTS (SELECT 1 FROM result_line r WHERE r.campaign_id = m.campaign_id AND r.seq = m.seq
                  AND r.generation = m.generation)
ON CONFLICT DO NOTHING;

-- name: release_unposted
-- A held chunk that was never posted (held after a restore): due again when the operator says unsent.
UPDATE chunk SET state = 'due', doubt_since = NULL, doubt_reason = NULL, refusals = 0
WHERE id = :chunk_id AND state = 'held' AND attempt = 0
RETURNING messages - resulted - suppressed AS messages;

-- name: hold_unfinished
-- After a restore nobody knows what was sent since the dump: the operator decides. What was sent may have results, from
-- the campaign's loading on: they settle their messages as always. A chunk that has every result is settled.
UPDATE chunk k SET state = CASE WHEN k.resulted + k.suppressed = k.messages THEN 'settled' ELSE 'held' END,
       settled_at = CASE WHEN k.resulted + k.suppressed = k.messages THEN clock_timestamp() END,
       lease_until = NULL, doubt_since = clock_timestamp(), doubt_reason = 'restored',
       first_post_at = coalesce(k.first_post_at,
                                c.created_at + make_interval(secs => coalesce(a.clock_low_ms, 0) / 1000.0))
FROM campaign c, account a
WHERE k.state IN ('due', 'sending', 'in_doubt') AND c.id = k.campaign_id AND a.id = k.account_id
  AND (CAST(:account_id AS bigint) IS NULL OR a.id = CAST(:account_id AS bigint))
RETURNING k.campaign_id, k.state;

-- name: posts_under_way
-- POSTs that were begun and whose outcome may still come.
SELECT count(*)::int FROM attempt WHERE outcome IS NULL AND lease_until > clock_timestamp();

-- name: taken_twice
-- Lines that the provider answered OK to twice. A line goes into a second POST only by a split, which moves what was
-- found absent to a child with one resend more: then no POST before the split was accepted, or it was no absence. Lines
-- that the account was refused for move to children without a resend: their result says that they were not sent. A
-- line cut off before its POST keeps the count of resends.
WITH RECURSIVE accepted AS (
    SELECT k.id, k.chunk_no, k.parent_no, k.resends, t.n, t.lines
    FROM chunk k CROSS JOIN LATERAL (
        SELECT count(*) AS n, coalesce(sum(messages), 0) AS lines FROM attempt
        WHERE chunk_id = k.id AND outcome = 'accepted'
    ) t
    WHERE k.campaign_id = :campaign_id
), above AS (
    SELECT c.chunk_no, c.lines, p.chunk_no AS before, p.resends AS at, p.parent_no, p.n, p.resends < c.resends AS resent
    FROM accepted c JOIN accepted p ON p.chunk_no = c.parent_no AND p.resends IN (c.resends, c.resends - 1)
    WHERE c.n > 0 AND c.resends > 0
    UNION ALL
    SELECT a.chunk_no, a.lines, p.chunk_no, p.resends, p.parent_no, p.n, a.resent OR p.resends < a.at
    FROM above a JOIN accepted p ON p.chunk_no = a.parent_no AND p.resends IN (a.at, a.at - 1)
    WHERE a.at > 0
)
SELECT chunk_no, before, lines::int FROM above WHERE resent AND n > 0
UNION ALL
SELECT chunk_no, chunk_no, (lines - lines / n)::int FROM accepted WHERE n > 1
ORDER BY 1, 2;

-- name: block_by_result
-- A result line says that credit or contract is over: block, one step for each newer such line. Tells whether the block
-- began.
WITH before AS (
    SELECT id, blocked_at FROM account
    WHERE id = :account_id AND (account_words_at IS NULL OR account_words_at < :fecha) FOR NO KEY UPDATE
)
UPDATE account a SET blocked_at = coalesce(a.blocked_at, clock_timestamp()), blocked_words = :words, blocked_cause = :cause,
       failures = a.failures + 1, account_words_at = :fecha,
       retry_at = clock_timestamp() + backoff(a.failures, 5)
FROM before WHERE a.id = before.id
RETURNING before.blocked_at IS NULL AS begun;

-- name: end_block_by_result
-- A line that was posted during a block by results was sent for real: the account is open again. Reads the staged lines.
UPDATE account a SET blocked_at = NULL, blocked_words = NULL, blocked_cause = NULL, failures = 0, retry_at = NULL
WHERE a.id = :account_id AND a.blocked_cause IN ('credit', 'contract')
  AND EXISTS (SELECT 1 FROM settle_line t
              JOIN message m ON m.campaign_id = t.campaign_id AND m.seq = t.seq AND m.generation = t.generation
              JOIN chunk k ON k.campaign_id = m.campaign_id AND k.chunk_no = m.chunk_no
              WHERE t.code = 0 AND m.result_code = 0 AND k.posted_at > a.blocked_at AND t.fecha > a.account_words_at)
RETURNING a.id;

-- name: end_block_by_figures
-- Saldo above 0 ends a block for credit, a last day that lies ahead one for the contract.
UPDATE account SET blocked_at = NULL, blocked_words = NULL, blocked_cause = NULL, failures = 0, retry_at = NULL
WHERE id = :account_id AND blocked_cause = :cause AND blocked_at < :asked_at
RETURNING id;

-- name: requeue_refused
-- The account was refused for these staged lines, so they were not sent: they move to a child chunk under the next
-- generation of their idinterno, due when the account is open again. After :most refusals the child is held. The
-- refusal is kept in result_line. The same line read again finds another generation and moves nothing.
WITH refused AS (
    SELECT m.campaign_id, m.seq, m.chunk_no, m.generation, t.fecha, t.code, coalesce(t.text, '') AS text
    FROM settle_line t JOIN message m ON m.campaign_id = t.campaign_id AND m.seq = t.seq AND m.generation = t.generation
    -- In a CASE as in settle_lines, or all messages might be read to find a few.
    WHERE CASE WHEN m.result_code IS NULL AND m.suppressed IS NULL AND m.generation < 15 THEN true ELSE false END
), parent AS (
    SELECT k.*, g.n, g.last_seq AS traced,
           (SELECT max(chunk_no) FROM chunk WHERE campaign_id = k.campaign_id)
           + row_number() OVER (PARTITION BY k.campaign_id ORDER BY k.chunk_no) AS child_no
    FROM (SELECT campaign_id, chunk_no, count(*)::int AS n, max(seq) AS last_seq FROM refused GROUP BY 1, 2) g
    JOIN chunk k ON k.campaign_id = g.campaign_id AND k.chunk_no = g.chunk_no
), kept AS (
    INSERT INTO result_line (campaign_id, seq, generation, fecha, text, code)
    SELECT campaign_id, seq, generation, fecha, text, code FROM refused ON CONFLICT DO NOTHING
), child AS (
    INSERT INTO chunk (campaign_id, account_id, chunk_no, root_no, parent_no, first_seq, last_seq, messages, refusals, state,
                       doubt_since, doubt_reason)
    SELECT campaign_id, account_id, child_no, root_no, chunk_no, first_seq, last_seq, n, refusals + 1,
           CASE WHEN refusals + 1 >= :most THEN 'held' ELSE 'due' END,
           CASE WHEN refusals + 1 >= :most THEN clock_timestamp() END,
           CASE WHEN refusals + 1 >= :most THEN 'account_refused' END
    FROM parent
    RETURNING campaign_id, chunk_no, parent_no, state
), moved AS (
    UPDATE message m SET chunk_no = c.chunk_no, generation = m.generation + 1
    FROM refused r JOIN child c ON c.campaign_id = r.campaign_id AND c.parent_no = r.chunk_no
    WHERE m.campaign_id = r.campaign_id AND m.seq = r.seq
), shrunk AS (
    UPDATE chunk k SET messages = k.messages - p.n, traced_seq = greatest(k.traced_seq, p.traced),
           state = CASE WHEN k.state IN ('accepted', 'in_doubt', 'held') AND k.resulted + k.suppressed = k.messages - p.n
                        THEN 'settled' ELSE k.state END,
           settled_at = CASE WHEN k.state IN ('accepted', 'in_doubt', 'held')
                                  AND k.resulted + k.suppressed = k.messages - p.n
                             THEN clock_timestamp() ELSE k.settled_at END
    FROM parent p WHERE k.id = p.id
)
SELECT c.campaign_id, c.parent_no, c.chunk_no, c.state, p.n
FROM child c JOIN parent p ON p.campaign_id = c.campaign_id AND p.chunk_no = c.parent_no;

-- name: settle_former_line
-- OK for a former generation of a line that is still open: it was sent after all, and is not sent again.
WITH settled AS (
    UPDATE message SET result_code = :code, result_text = :text, processed_at = :fecha
    WHERE campaign_id = :campaign_id AND seq = :seq AND generation > :generation
      AND result_code IS NULL AND suppressed IS NULL
    RETURNING campaign_id, chunk_no
), counted AS (
    INSERT INTO chunk_result AS r (campaign_id, chunk_no, code, n) SELECT campaign_id, chunk_no, :code, 1 FROM settled
    ON CONFLICT (campaign_id, chunk_no, code) DO UPDATE SET n = r.n + 1
), tallied AS (
    INSERT INTO tally (kind, label, n) SELECT 'result', CAST(:code AS int)::text, count(*) FROM settled HAVING count(*) > 0
)
UPDATE chunk k SET resulted = k.resulted + 1,
       state = CASE WHEN k.state IN ('accepted', 'in_doubt', 'held') AND k.resulted + 1 + k.suppressed = k.messages
                    THEN 'settled' ELSE k.state END,
       settled_at = CASE WHEN k.state IN ('accepted', 'in_doubt', 'held') AND k.resulted + 1 + k.suppressed = k.messages
                         THEN clock_timestamp() ELSE k.settled_at END
FROM settled s WHERE k.campaign_id = s.campaign_id AND k.chunk_no = s.chunk_no
RETURNING k.chunk_no;

-- name: choose_trial
-- While results refuse the account, one line is tried per backoff step: the chunk whose turn it is, one of a single
-- line if there is one. The campaign is locked, as in a claim.
SELECT k.id, k.campaign_id, k.chunk_no, k.root_no
FROM campaign c CROSS JOIN LATERAL (
    SELECT o.*, o.messages - o.resulted - o.suppressed AS open FROM chunk o
    WHERE o.campaign_id = c.id AND o.state = 'due' AND o.root_no <= coalesce(c.canary_chunks, 2147483647)
      AND (NOT o.goes_last OR NOT EXISTS (SELECT 1 FROM chunk w WHERE w.campaign_id = c.id AND w.state IN ('due', 'sending')
                                          AND w.id <> o.id))
    ORDER BY o.refusals, o.messages - o.resulted - o.suppressed > 1, o.root_no, o.chunk_no LIMIT 1
) k
WHERE c.account_id = :account_id AND c.state IN ('scheduled', 'running')
  AND (c.start_at IS NULL OR c.start_at <= :earliest) AND (c.expires_at IS NULL OR c.expires_at > :latest)
  AND NOT c.not_on && CAST(:closed AS text[])
  AND rate_allows(c.rate_free_at, c.rate)
ORDER BY k.refusals, k.open > 1, array_position(CAST(:wheel AS text[]), c.priority), c.turn, c.id
LIMIT 1 FOR NO KEY UPDATE OF c;

-- name: lock_family_now
-- A chunk with its root, both or neither: a claim never waits for a chunk.
SELECT id FROM chunk WHERE campaign_id = :campaign_id AND chunk_no IN (:root_no, :chunk_no)
ORDER BY id FOR NO KEY UPDATE SKIP LOCKED;

-- name: carve_line
-- The first open line of a locked due chunk moves to a due chunk of its own, unless it is the only one. Answers the
-- chunk that has one line now.
WITH whole AS (
    SELECT k.*, k.messages - k.resulted - k.suppressed AS open FROM chunk k WHERE k.id = :chunk_id AND k.state = 'due'
), line AS (
    SELECT m.seq FROM whole k JOIN message m ON m.campaign_id = k.campaign_id AND m.seq BETWEEN k.first_seq AND k.last_seq
         AND m.chunk_no = k.chunk_no
    WHERE k.open > 1 AND m.result_code IS NULL AND m.suppressed IS NULL
    ORDER BY m.seq LIMIT 1
), child AS (
    INSERT INTO chunk (campaign_id, account_id, chunk_no, root_no, parent_no, first_seq, last_seq, messages, refusals, resends,
                       first_post_at)
    SELECT k.campaign_id, k.account_id, (SELECT max(chunk_no) + 1 FROM chunk WHERE campaign_id = k.campaign_id), k.root_no,
           k.chunk_no, l.seq, l.seq, 1, k.refusals, k.resends, k.first_post_at
    FROM whole k, line l
    RETURNING id, campaign_id, chunk_no
), moved AS (
    UPDATE message m SET chunk_no = c.chunk_no FROM child c, line l WHERE m.campaign_id = c.campaign_id AND m.seq = l.seq
), shrunk AS (
    -- The root as well: when its lines first left is asked of it.
    UPDATE chunk k SET messages = k.messages - (k.id = whole.id)::int,
           first_post_at = coalesce(k.first_post_at, CAST(:earliest AS timestamptz))
    FROM whole
    WHERE k.campaign_id = whole.campaign_id AND k.chunk_no IN (whole.root_no, whole.chunk_no)
      AND EXISTS (SELECT 1 FROM child)
)
SELECT coalesce((SELECT id FROM child), (SELECT id FROM whole)) AS id;

-- name: note_delay
-- The longest time from POST to result of this hour.
INSERT INTO result_delay AS d (account_id, hour, longest_ms)
VALUES (:account_id, date_trunc('hour', clock_timestamp()), :ms)
ON CONFLICT (account_id, hour) DO UPDATE SET longest_ms = greatest(d.longest_ms, excluded.longest_ms)
WHERE d.longest_ms < excluded.longest_ms;

-- name: stop_stale_account
-- A witness outside the database showed that it is older than what was posted: nothing is claimed until `db restored`.
UPDATE account SET stale_at = clock_timestamp(), stale_words = :words WHERE id = :account_id AND stale_at IS NULL RETURNING id;

-- name: opt_in
-- One number opts in again; nothing when it is not on the list.
WITH removed AS (
    DELETE FROM optout WHERE destino = :destino RETURNING destino, source, reason, since
), recorded AS (
    INSERT INTO optout_event (destino, action, source, reason) SELECT destino, 'remove', :source, :reason FROM removed
)
SELECT * FROM removed;

-- name: lock_inbox
-- Replies of one account are stored by one transaction at a time: equal texts cannot be paired wrongly.
SELECT pg_advisory_xact_lock(hashtextextended('inbox', :account_id));

-- name: adopt_push
-- The oldest provisional reply that is this pulled one: same number, text and idinterno within ten minutes.
UPDATE reply SET provider_id = :provider_id, texto = :texto, received_at = :received_at
WHERE id = (
    SELECT id FROM reply
    WHERE account_id = :account_id AND provider_id IS NULL AND repeated_at IS NULL
      AND origen = :origen AND plain = :plain AND coalesce(idinterno, '') = coalesce(:idinterno, '')
      AND received_at BETWEEN CAST(:received_at AS timestamptz) - interval '10 minutes'
                          AND CAST(:received_at AS timestamptz) + interval '10 minutes'
    ORDER BY received_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING id;

-- name: meet_pulled
-- A PUSH that comes after the pull of its reply: the oldest one that no PUSH has met yet.
UPDATE reply SET pushed_at = clock_timestamp()
WHERE id = (
    SELECT id FROM reply
    WHERE account_id = :account_id AND provider_id IS NOT NULL AND pushed_at IS NULL
      AND origen = :origen AND plain = :plain AND coalesce(idinterno, '') = coalesce(:idinterno, '')
      AND received_at BETWEEN CAST(:now AS timestamptz) - interval '10 minutes'
                          AND CAST(:now AS timestamptz) + interval '10 minutes'
    ORDER BY received_at, id LIMIT 1 FOR UPDATE SKIP LOCKED
)
RETURNING id;

-- name: drop_repeats
-- After the whole inbox was read: a provisional reply older than ten minutes that no pulled one is left for, while an
-- equal one is there, was the same PUSH sent again because our answer got lost. Without an equal one it stays.
UPDATE reply p SET repeated_at = clock_timestamp()
WHERE p.account_id = :account_id AND p.provider_id IS NULL AND p.repeated_at IS NULL
  AND p.received_at < CAST(:read_at AS timestamptz) - interval '10 minutes'
  AND EXISTS (SELECT 1 FROM reply r WHERE r.account_id = p.account_id AND r.provider_id IS NOT NULL
              AND r.origen = p.origen AND r.plain = p.plain AND coalesce(r.idinterno, '') = coalesce(p.idinterno, '')
              AND r.received_at BETWEEN p.received_at - interval '3 days' AND p.received_at + interval '10 minutes')
RETURNING p.id;

-- name: begin_inbox
-- One pull an interval over all workers; no row when it is too early for one.
UPDATE account SET inbox_at = clock_timestamp()
WHERE id = :account_id AND (inbox_at IS NULL OR inbox_at <= clock_timestamp() - make_interval(secs => :interval))
RETURNING id;

-- name: take_single
-- One message now, recorded before its call; nothing when its idinterno is taken.
INSERT INTO single_message (account_id, idinterno, destino, texto, transport, test, start_at, html, state, code, text,
                            lease_until, finished_at)
VALUES (:account_id, :idinterno, :destino, :texto, :transport, :test, :start_at, :html, :state, :code, :text,
        CASE WHEN :state = 'sending' THEN clock_timestamp() + make_interval(secs => :lease) END,
        CASE WHEN :state <> 'sending' THEN clock_timestamp() END)
ON CONFLICT (account_id, upper(idinterno)) DO NOTHING
RETURNING id, attempt;

-- name: retake_single
-- Another call for a message by its caller's word: only from a state that this call may follow.
UPDATE single_message SET state = 'sending', attempt = attempt + 1, finished_at = NULL, code = NULL, text = NULL,
       transport = :transport, lease_until = clock_timestamp() + make_interval(secs => :lease)
WHERE id = :id AND attempt = :attempt AND state = ANY(:states)
RETURNING id, attempt;

-- name: finish_single
-- The outcome of a call, of its own attempt alone; a late one still corrects `unknown`.
UPDATE single_message SET state = :state, code = :code, text = :text, lease_until = NULL, finished_at = clock_timestamp()
WHERE id = :id AND attempt = :attempt AND state IN ('sending', 'unknown')
RETURNING id;

-- name: expire_singles
-- A call whose process died has an outcome that nobody knows.
UPDATE single_message SET state = 'unknown', lease_until = NULL, finished_at = clock_timestamp(),
       text = 'the process that sent it ended before the answer was recorded'
WHERE state = 'sending' AND lease_until < clock_timestamp()
RETURNING id;

-- name: campaign_counters
-- The progress of campaigns from their chunks' counters: rows with a state count chunks, rows with a code count results.
-- One statement, so that both are of the same moment.
SELECT campaign_id, state, NULL::int AS code, count(*) AS chunks, sum(messages) AS messages, sum(resulted) AS resulted,
       sum(suppressed) AS suppressed
FROM chunk WHERE campaign_id = ANY(:campaign_ids) GROUP BY campaign_id, state
UNION ALL
SELECT campaign_id, NULL, code, 0, 0, sum(n), 0 FROM chunk_result WHERE campaign_id = ANY(:campaign_ids) GROUP BY campaign_id, code
UNION ALL
-- What has gone after its time.
SELECT campaign_id, state, code, sum(chunks), sum(messages), sum(resulted), sum(suppressed)
FROM campaign_sum WHERE campaign_id = ANY(:campaign_ids) GROUP BY campaign_id, state, code
ORDER BY code DESC;

-- name: other_words
-- What the provider said, without the number before it, about messages for whose words the guide has no code (-99). Only
-- chunks that have such a result are read.
SELECT regexp_replace(m.result_text, '^\s*[0-9]{1,20}\s*:\s*', '') AS words, count(*)::int AS n
FROM chunk_result r
JOIN chunk k ON k.campaign_id = r.campaign_id AND k.chunk_no = r.chunk_no
JOIN message m ON m.campaign_id = k.campaign_id AND m.seq BETWEEN k.first_seq AND k.last_seq AND m.chunk_no = k.chunk_no
WHERE r.campaign_id = :campaign_id AND r.code = -99 AND r.n > 0 AND m.result_code = -99
GROUP BY words ORDER BY n DESC, words LIMIT :limit;

-- name: cancel_due
-- The chunks of a cancelled campaign that are still due will not be sent. Locked in ascending order, as everywhere.
UPDATE chunk SET state = 'cancelled'
WHERE id IN (SELECT id FROM chunk WHERE campaign_id = :campaign_id AND state = 'due' ORDER BY id FOR NO KEY UPDATE);

-- replies, single messages, accounts

-- name: begin_whole_inbox
-- Whether it is time to read the whole inbox, for one worker at a time: nobody begins another within :lease seconds, nor
-- before a failed one may be tried again. A moment that lies further ahead than any wait was written before the
-- database's clock was stepped back.
UPDATE account SET inbox_whole_retry_at = clock_timestamp() + make_interval(secs => :lease)
WHERE id = :account_id
  AND (inbox_marking_at IS NOT NULL OR inbox_whole_at IS NULL
       OR inbox_whole_at <= clock_timestamp() - make_interval(secs => :every))
  AND (inbox_whole_retry_at IS NULL
       OR inbox_whole_retry_at NOT BETWEEN clock_timestamp() AND clock_timestamp() + interval '2 hours')
RETURNING id;

-- name: take_request
-- One process at a time loads a request, and each try is counted. The lease ends when its holder does not renew it for
-- :lease seconds; a moment further ahead was written before the database's clock was stepped back.
UPDATE campaign_request SET holder = :holder, lease_until = clock_timestamp() + make_interval(secs => :lease),
       tries = tries + 1, updated_at = clock_timestamp()
WHERE idempotency_key = :key AND state = 'received'
  AND (lease_until IS NULL
       OR lease_until NOT BETWEEN clock_timestamp() AND clock_timestamp() + make_interval(secs => :lease))
RETURNING payload, tries, upload_id, created_by, reserved_id;

-- name: renew_request
-- The holder goes on loading; no row when another process has taken over.
UPDATE campaign_request SET lease_until = clock_timestamp() + make_interval(secs => :lease)
WHERE idempotency_key = :key AND state = 'received' AND holder = :holder
RETURNING idempotency_key;

-- name: take_migration_lease
-- One process runs migrations at a time; no row while another's lease lasts. An end that lies further ahead than any
-- lease is ignored: the clock was stepped back.
INSERT INTO migration_state AS s (holder, lease_until)
VALUES (:holder, clock_timestamp() + make_interval(secs => :seconds))
ON CONFLICT (only_row) DO UPDATE SET holder = excluded.holder, lease_until = excluded.lease_until
WHERE s.holder IS NULL OR s.lease_until < clock_timestamp() OR s.lease_until > excluded.lease_until
RETURNING 1;

-- name: renew_migration_lease
-- For the holder alone; it changes no row when another process has taken over. Within a migration's own transaction it
-- locks the lease until the commit.
UPDATE migration_state SET lease_until = clock_timestamp() + make_interval(secs => :seconds) WHERE holder = :holder;

-- name: note_look
-- A host looked for the file of a request that still waits for it, and did not have it whole. The wait begins anew while
-- the file grows, and when nobody has looked for long, as between a stop and a start of all workers. The same host is
-- noted every few seconds only.
UPDATE campaign_request SET
       file_awaited_since = CASE WHEN :grows OR looked_at < clock_timestamp() - make_interval(secs => :gap)
                                 THEN clock_timestamp() ELSE file_awaited_since END,
       looked_at = clock_timestamp(),
       looked_on = CASE WHEN :place = ANY (looked_on) THEN looked_on ELSE looked_on || CAST(:place AS text) END
WHERE idempotency_key = :key AND file_awaited_since IS NOT NULL
  AND (:grows OR looked_at IS NULL OR looked_at < clock_timestamp() - interval '5 seconds'
       OR NOT :place = ANY (looked_on));

-- name: give_up_file
-- A request whose file no host had in :patience seconds of looking is refused; not one that a process is at work on.
UPDATE campaign_request SET state = 'refused', error = :error, payload = NULL, file_awaited_since = NULL,
       updated_at = clock_timestamp()
WHERE idempotency_key = :key AND file_awaited_since < clock_timestamp() - make_interval(secs => :patience)
  AND looked_at > clock_timestamp() - make_interval(secs => :gap)
  AND (lease_until IS NULL
       OR lease_until NOT BETWEEN clock_timestamp() AND clock_timestamp() + make_interval(secs => :lease))
RETURNING idempotency_key;

-- name: use_upload
-- From here to the end of the transaction nobody drops the list, and for :days longer its time is not up; no row when its
-- content is gone or about to go.
UPDATE upload SET expires_at = greatest(expires_at, clock_timestamp() + make_interval(days => :days))
WHERE id = :id AND dropped_at IS NULL AND expires_at > clock_timestamp()
RETURNING id;

-- name: upload_to_drop
-- One list whose time is up and that no waiting request needs. Whoever drops it holds its row, so that nobody takes it up
-- meanwhile, and others pass over it.
SELECT u.id FROM upload u
WHERE u.dropped_at IS NULL AND u.expires_at <= clock_timestamp()
  AND NOT EXISTS (SELECT 1 FROM campaign_request r WHERE r.upload_id = u.id AND r.state = 'received')
ORDER BY u.expires_at LIMIT 1 FOR UPDATE SKIP LOCKED;

-- name: drop_upload_parts
-- So many parts of a list and no more, by key: a list of a gibibyte goes in many short transactions.
DELETE FROM upload_part WHERE upload_id = :id
  AND part_no IN (SELECT part_no FROM upload_part WHERE upload_id = :id ORDER BY part_no LIMIT :parts);

-- name: end_upload
-- The last part is gone: a list that became a campaign keeps its row, any other goes whole.
WITH kept AS (
    UPDATE upload u SET dropped_at = clock_timestamp()
    WHERE u.id = :id AND (EXISTS (SELECT 1 FROM campaign c WHERE c.upload_id = u.id)
                          OR EXISTS (SELECT 1 FROM campaign_list l WHERE l.upload_id = u.id)
                          OR EXISTS (SELECT 1 FROM campaign_request r WHERE r.upload_id = u.id))
    RETURNING u.id
)
DELETE FROM upload u WHERE u.id = :id AND NOT EXISTS (SELECT 1 FROM kept);

-- name: count_waiting
-- How many messages of a campaign have not been handed in yet, from the counters of its chunks.
SELECT coalesce(sum(messages - resulted - suppressed), 0)::bigint FROM chunk WHERE campaign_id = :campaign_id AND state = 'due';

-- name: waiting_numbers
-- Which of some messages have not been handed in yet, by their primary key: the numbers.
SELECT m.destino FROM message m
JOIN chunk k ON k.campaign_id = m.campaign_id AND k.chunk_no = m.chunk_no AND k.state = 'due'
WHERE m.campaign_id = :campaign_id AND m.seq = ANY(CAST(:seqs AS int[])) AND m.suppressed IS NULL AND m.result_code IS NULL;

-- name: numbers_that_wait
-- How many of some numbers have a message in a campaign that has not been handed in yet. Reads the campaign's messages.
SELECT count(DISTINCT m.destino) FROM message m
JOIN chunk k ON k.campaign_id = m.campaign_id AND k.chunk_no = m.chunk_no AND k.state = 'due'
WHERE m.campaign_id = :campaign_id AND m.destino = ANY(CAST(:numbers AS text[])) AND m.suppressed IS NULL
  AND m.result_code IS NULL;

-- name: lock_append
-- One append to a campaign at a time: the others wait for its transaction.
SELECT pg_advisory_xact_lock(7107, CAST(hashint8(CAST(:campaign_id AS bigint)) AS int));

-- name: not_last_any_more
-- A list is appended, so what was the campaign's last line is not: of two chunks that wait for all others, neither would
-- ever go. Locks the chunk, before its campaign as everywhere.
UPDATE chunk SET goes_last = false WHERE campaign_id = :campaign_id AND goes_last;

-- name: lock_open_campaign
-- For an append: no claim, no child and no completion of this campaign until it commits. No row: there is no such
-- campaign any more that may still send.
SELECT messages FROM campaign WHERE id = :campaign_id AND state IN ('scheduled', 'running', 'paused') FOR NO KEY UPDATE;

-- name: take_appended
-- The staged messages of an append, behind those that the campaign has.
INSERT INTO message (campaign_id, seq, chunk_no, line, destino, texto, external_id, suppressed)
SELECT campaign_id, seq + :messages, chunk_no + :chunks, line, destino, texto, external_id, suppressed FROM appended_message;

-- name: count_appended
-- Rows = messages + invalid rows, also after an append.
UPDATE campaign SET rows = rows + :messages + :invalid, messages = messages + :messages, invalid = invalid + :invalid
WHERE id = :campaign_id;

-- name: messages_as_ndjson
-- A stretch of a campaign's messages as lines of JSON, several messages a row: a row each costs the client five times as
-- much. The chunks are hashed once for all of them; looking each one up took a third of the time. Nulls filter nothing.
SELECT (
    SELECT string_agg(row_to_json(line)::text, E'\n') || E'\n'
    FROM (
        SELECT campaign_id, seq, external_id, destino AS number, texto AS text, idinterno, status, result_code, result_text,
               chunk_no, submitted_at, processed_at
        FROM message_status
        WHERE campaign_id = :campaign_id AND seq BETWEEN part.first_seq AND least(part.first_seq + :part - 1, :last_seq)
          AND (CAST(:status AS text) IS NULL OR status = CAST(:status AS text))
          AND (CAST(:result_code AS int) IS NULL OR result_code = CAST(:result_code AS int))
          AND (CAST(:destino AS text) IS NULL OR destino = CAST(:destino AS text))
          AND (CAST(:external_id AS text) IS NULL OR external_id = CAST(:external_id AS text))
        ORDER BY seq
    ) line
) FROM generate_series(CAST(:first_seq AS int), CAST(:last_seq AS int), CAST(:part AS int)) AS part (first_seq);

-- name: messages_as_csv
-- The same as lines of CSV, in which no cell is a formula. One look at a row finds those that may have one.
SELECT (
    SELECT string_agg(concat(
        campaign_id, ',', seq, ',', csv_cell(external_id, suspect, :dangerous, :inside), ',', destino, ',',
        csv_cell(texto, suspect, :dangerous, :inside), ',', idinterno, ',', status, ',', result_code, ',',
        csv_cell(result_text, suspect, :dangerous, :inside), ',', chunk_no, ',', submitted_at, ',', processed_at
    ), E'\n') || E'\n'
    FROM (
        SELECT *, concat(',', external_id, ',', texto, ',', result_text) ~ :suspect AS suspect FROM message_status
        WHERE campaign_id = :campaign_id AND seq BETWEEN part.first_seq AND least(part.first_seq + :part - 1, :last_seq)
          AND (CAST(:status AS text) IS NULL OR status = CAST(:status AS text))
          AND (CAST(:result_code AS int) IS NULL OR result_code = CAST(:result_code AS int))
          AND (CAST(:destino AS text) IS NULL OR destino = CAST(:destino AS text))
          AND (CAST(:external_id AS text) IS NULL OR external_id = CAST(:external_id AS text))
        ORDER BY seq
    ) line
) FROM generate_series(CAST(:first_seq AS int), CAST(:last_seq AS int), CAST(:part AS int)) AS part (first_seq);

-- name: messages_to_number
-- The newest messages of campaigns to one number, found by the bloom filters of message_numbers: no index entry a row.
SELECT coalesce(s.submitted_at, p.created_at) AS at, s.idinterno, s.campaign_id, s.seq, s.external_id,
       s.texto AS text, s.status, s.result_code, s.result_text, s.submitted_at, s.processed_at
FROM message_status s
JOIN campaign p ON p.id = s.campaign_id
WHERE s.destino = :destino
ORDER BY at DESC, s.campaign_id DESC, s.seq DESC
LIMIT :limit;

-- name: tell
-- Events of one type, in the transaction that they tell of, each with a delivery for every endpoint that wants it.
-- Nothing at all, at the cost of reading a handful of rows, while none does. A disabled endpoint's deliveries wait.
WITH wanting AS (
    SELECT id FROM webhook
    WHERE state <> 'deleted' AND CAST(:type AS text) = ANY(events)
      AND (listens_until IS NULL OR listens_until > clock_timestamp())
), told AS (
    INSERT INTO webhook_event (public_id, type, campaign_id, data)
    SELECT 'evt_' || replace(gen_random_uuid()::text, '-', ''), CAST(:type AS text), t.campaign_id, CAST(t.data AS jsonb)
    FROM unnest(CAST(:campaigns AS bigint[]), CAST(:data AS text[])) WITH ORDINALITY AS t (campaign_id, data, place)
    WHERE (SELECT EXISTS (SELECT 1 FROM wanting))
    ORDER BY t.place
    RETURNING id, campaign_id
)
INSERT INTO webhook_delivery (webhook_id, event_id, campaign_id)
SELECT w.id, t.id, t.campaign_id FROM told t, wanting w ORDER BY t.id, w.id;

-- name: tell_one_endpoint
-- An event for one endpoint alone, whatever it wants.
WITH told AS (
    INSERT INTO webhook_event (public_id, type, data)
    SELECT 'evt_' || replace(gen_random_uuid()::text, '-', ''), :type, CAST(:data AS jsonb)
    RETURNING id
)
INSERT INTO webhook_delivery (webhook_id, event_id) SELECT :webhook_id, id FROM told RETURNING id;

-- name: webhooks_due
-- Endpoints with something to deliver now, and how many calls more each may get at once. A terminal that listens takes
-- its own.
SELECT w.id, least(
    CASE WHEN w.failures >= :failing THEN 1 ELSE :at_once END
        - (SELECT count(*) FROM webhook_delivery s WHERE s.webhook_id = w.id AND s.state = 'sending'),
    (SELECT count(*) FROM (SELECT 1 FROM webhook_delivery d WHERE d.webhook_id = w.id AND d.state = 'due'
                           AND d.next_at <= clock_timestamp() LIMIT :at_once) d))::int AS places
FROM webhook w
WHERE w.state = 'active' AND w.listens_until IS NULL AND (w.retry_at IS NULL
      OR w.retry_at NOT BETWEEN clock_timestamp() AND clock_timestamp() + interval '1 day');

-- name: lock_webhook
-- One claimer per endpoint at a time, so that no two count its calls at once; no row while nothing may be delivered.
SELECT id, url, failures, secret, former_secret, former_until > clock_timestamp() AS former_valid
FROM webhook
WHERE id = :webhook_id AND state = 'active' AND (retry_at IS NULL
      OR retry_at NOT BETWEEN clock_timestamp() AND clock_timestamp() + interval '1 day')
FOR NO KEY UPDATE;

-- name: claim_delivery
-- due -> sending under a new attempt and a lease: the oldest that is due, and of a campaign none before an earlier one
-- has ended. Runs after lock_webhook, in a snapshot of its own; no row while :places calls are under way.
UPDATE webhook_delivery d
SET state = 'sending', attempt = d.attempt + 1, tried_at = clock_timestamp(),
    lease_until = clock_timestamp() + make_interval(secs => :lease)
FROM webhook_event e
WHERE e.id = d.event_id AND d.id = (
    SELECT o.id FROM webhook_delivery o
    WHERE o.webhook_id = :webhook_id AND o.state = 'due' AND o.next_at <= clock_timestamp()
      AND (SELECT count(*) FROM webhook_delivery s WHERE s.webhook_id = :webhook_id AND s.state = 'sending') < :places
      AND NOT EXISTS (SELECT 1 FROM webhook_delivery p WHERE p.webhook_id = o.webhook_id AND p.campaign_id = o.campaign_id
                      AND p.campaign_id IS NOT NULL AND p.state IN ('due', 'sending') AND p.id < o.id)
    ORDER BY o.next_at, o.id LIMIT 1
)
RETURNING d.id, d.attempt, d.event_id, e.public_id, e.type, e.at, e.campaign_id, e.data, e.body;

-- name: keep_body
-- The body of an event is written once, before its first attempt; of two writers both get the first one's.
UPDATE webhook_event SET body = coalesce(body, :body) WHERE id = :event_id RETURNING body;

-- name: told_messages
-- The messages that a batch of results names, as they are now.
SELECT seq, idinterno, external_id, status, result_code, processed_at FROM message_status
WHERE campaign_id = :campaign_id AND seq = ANY(:seqs) AND result_code IS NOT NULL ORDER BY seq;

-- name: delivery_done
-- The receiver has it. A success counts for whichever attempt it came.
UPDATE webhook_delivery SET state = 'delivered', lease_until = NULL, finished_at = clock_timestamp(),
       status = :status, answer = :answer, error = NULL
WHERE id = :delivery_id AND state <> 'delivered'
RETURNING webhook_id;

-- name: delivery_missed
-- An attempt failed: due again after :wait seconds, or the end when there is no more. Counts for its own attempt alone.
UPDATE webhook_delivery
SET state = CASE WHEN CAST(:wait AS float) IS NULL THEN 'failed' ELSE 'due' END, lease_until = NULL,
    finished_at = CASE WHEN CAST(:wait AS float) IS NULL THEN clock_timestamp() END,
    next_at = clock_timestamp() + make_interval(secs => coalesce(CAST(:wait AS float), 0)),
    status = :status, answer = :answer, error = :error
WHERE id = :delivery_id AND state = 'sending' AND attempt = :attempt
RETURNING webhook_id;

-- name: webhook_answered
-- The endpoint works. Tells how often it had failed in a row before.
WITH before AS (
    SELECT id, failures FROM webhook WHERE id = :webhook_id FOR NO KEY UPDATE
)
UPDATE webhook w SET failures = 0, failing_since = NULL, retry_at = NULL, succeeded_at = clock_timestamp()
FROM before WHERE w.id = before.id
RETURNING before.failures;

-- name: wake_deliveries
-- The endpoint is back: what waits for its next attempt need not wait longer.
UPDATE webhook_delivery SET next_at = clock_timestamp()
WHERE webhook_id = :webhook_id AND state = 'due' AND next_at > clock_timestamp();

-- name: revive_deliveries
-- Deliveries that were given up while the endpoint failed: it is enabled again, so they begin anew, before what is newer.
UPDATE webhook_delivery SET state = 'due', attempt = 0, finished_at = NULL, next_at = clock_timestamp()
WHERE webhook_id = :webhook_id AND state = 'failed' AND finished_at >= :since;

-- name: webhook_missed
-- One more failure in a row; tells whether it has lasted too long.
UPDATE webhook SET failures = failures + 1, failing_since = coalesce(failing_since, clock_timestamp())
WHERE id = :webhook_id AND state = 'active'
RETURNING failures, failing_since < clock_timestamp() - make_interval(days => :days) AS over;

-- name: pause_webhook
-- Nothing is delivered for so many seconds.
UPDATE webhook SET retry_at = clock_timestamp() + make_interval(secs => :wait) WHERE id = :webhook_id;

-- name: rescue_deliveries
-- A lease that ran out: the worker is gone, and nobody knows whether its call arrived. It is made again: at least once.
-- So is one of a lease that lies too far ahead, left from before the database's clock was stepped back.
UPDATE webhook_delivery SET state = 'due', lease_until = NULL, next_at = clock_timestamp(), error = 'the worker ended'
WHERE state = 'sending'
  AND lease_until NOT BETWEEN clock_timestamp() AND clock_timestamp() + make_interval(secs => 2 * :lease)
RETURNING id;

-- name: replay_events
-- Events of a span of time, of the types that an endpoint wants, once more and in their order; not what waits already.
INSERT INTO webhook_delivery (webhook_id, event_id, campaign_id)
SELECT w.id, e.id, e.campaign_id
FROM webhook w JOIN webhook_event e ON e.type = ANY(w.events)
WHERE w.id = :webhook_id AND e.at >= :since AND e.at < CAST(:until AS timestamptz)
  AND NOT EXISTS (SELECT 1 FROM webhook_delivery d WHERE d.event_id = e.id AND d.webhook_id = w.id
                  AND d.state IN ('due', 'sending'))
  AND (NOT :missed_only OR NOT EXISTS (SELECT 1 FROM webhook_delivery d WHERE d.event_id = e.id AND d.webhook_id = w.id
                                       AND d.state = 'delivered'))
ORDER BY e.id;

-- name: replay_delivery
-- One delivery once more, unless the same event waits already.
INSERT INTO webhook_delivery (webhook_id, event_id, campaign_id)
SELECT d.webhook_id, d.event_id, d.campaign_id FROM webhook_delivery d
WHERE d.id = :delivery_id AND d.webhook_id = :webhook_id
  AND NOT EXISTS (SELECT 1 FROM webhook_delivery w WHERE w.event_id = d.event_id AND w.webhook_id = d.webhook_id
                  AND w.state IN ('due', 'sending'));

-- name: drop_old_events
-- One round of events that are older than they are kept, with their deliveries. Rows are in the order of time, so only
-- the first ones are looked at.
WITH old AS (
    SELECT o.id FROM (SELECT id, at FROM webhook_event ORDER BY id LIMIT :most) o
    WHERE o.at < clock_timestamp() - make_interval(days => :days)
), gone AS (
    DELETE FROM webhook_delivery d USING old WHERE d.event_id = old.id
)
DELETE FROM webhook_event e USING old WHERE e.id = old.id;

-- name: drop_deleted_webhooks
-- One round of deliveries of endpoints that were deleted; an endpoint goes with its last one.
WITH dead AS (
    SELECT id FROM webhook WHERE state = 'deleted' LIMIT 1
), gone AS (
    DELETE FROM webhook_delivery WHERE id IN (SELECT d.id FROM webhook_delivery d JOIN dead ON d.webhook_id = dead.id LIMIT :most)
    RETURNING webhook_id
)
DELETE FROM webhook w USING dead WHERE w.id = dead.id AND NOT EXISTS (SELECT 1 FROM gone);

-- name: drop_old_replays
-- One round of kept answers whose time is up. One that runs is left alone.
DELETE FROM api_replay r USING (
    SELECT operation, idempotency_key FROM api_replay
    WHERE expires_at <= clock_timestamp() AND (status IS NOT NULL OR lease_until <= clock_timestamp())
    ORDER BY expires_at LIMIT :most FOR UPDATE SKIP LOCKED
) old
WHERE r.operation = old.operation AND r.idempotency_key = old.idempotency_key;

-- name: waiting_to_be_sent
-- Messages that will be charged when they go out, of all campaigns that may still send.
SELECT coalesce(sum(k.messages - k.resulted - k.suppressed), 0)::bigint
FROM campaign c JOIN chunk k ON k.campaign_id = c.id AND k.state = 'due'
WHERE c.account_id = :account_id AND c.state IN ('scheduled', 'running', 'paused') AND NOT c.test;

-- name: forget_terminals
-- A terminal that listened and is gone is a deleted endpoint.
UPDATE webhook SET state = 'deleted', secret = '', former_secret = NULL, former_until = NULL, disabled_at = NULL,
       disabled_why = NULL
WHERE listens_until < clock_timestamp() AND state <> 'deleted';

-- name: state_of_webhooks
-- How each endpoint fares; `waits` when a delivery could have gone :waited seconds ago and did not.
SELECT w.public_id, w.disabled_why, w.failing_since, clock_timestamp() AS now,
       w.state = 'active' AND w.failures = 0
       AND coalesce(w.succeeded_at, w.created_at) < clock_timestamp() - make_interval(secs => :waited) AND EXISTS (
           SELECT 1 FROM webhook_delivery d
           WHERE d.webhook_id = w.id AND d.state = 'due'
             AND d.next_at < clock_timestamp() - make_interval(secs => :waited)
             AND NOT EXISTS (SELECT 1 FROM webhook_delivery p WHERE p.webhook_id = d.webhook_id
                             AND p.campaign_id = d.campaign_id AND p.campaign_id IS NOT NULL
                             AND p.state IN ('due', 'sending') AND p.id < d.id)) AS waits
FROM webhook w WHERE w.state <> 'deleted' AND w.listens_until IS NULL ORDER BY w.id;

-- name: results_by_day
-- The results of what an account handed in since a day of Argentina, by day and code, from the chunks' counters and from
-- the sums of campaigns whose rows have gone.
SELECT day, code::int AS code, sum(n)::int AS n FROM (
    SELECT (k.posted_at AT TIME ZONE INTERVAL '-3 hours')::date AS day, r.code, sum(r.n) AS n
    FROM chunk k
    JOIN chunk_result r ON r.campaign_id = k.campaign_id AND r.chunk_no = k.chunk_no
    WHERE k.account_id = :account_id AND k.resulted > 0
      AND k.posted_at >= (CAST(:first_day AS timestamp) AT TIME ZONE INTERVAL '-3 hours')
    GROUP BY 1, r.code
    UNION ALL
    SELECT day, code, resulted FROM campaign_sum
    WHERE account_id = :account_id AND code IS NOT NULL AND day >= CAST(:first_day AS timestamp)::date
) d GROUP BY day, code;

-- name: campaign_pace
-- What a campaign handed in, and what of it has results, in at most :steps equal steps of whole minutes: from the times
-- and counters of its chunks, no message is counted. A chunk's results count when the last of them came. Steps in which
-- nothing happened have no row.
WITH moved AS MATERIALIZED (
    SELECT date_trunc('minute', posted_at) AS sent_at, messages - suppressed AS sent,
           date_trunc('minute', coalesce(resulted_at, settled_at)) AS settled_at, resulted
    FROM chunk
    WHERE campaign_id = :campaign_id AND posted_at IS NOT NULL AND state IN ('accepted', 'settled', 'split')
), span AS (
    SELECT least(min(sent_at), min(settled_at)) AS since, greatest(max(sent_at), max(settled_at)) AS until FROM moved
), step AS (
    SELECT since, greatest(1, ceil((extract(epoch FROM until - since) / 60 + 1) / CAST(:steps AS int)))::int AS minutes
    FROM span WHERE since IS NOT NULL
), told AS (
    SELECT sent_at AS at, sent, 0 AS settled FROM moved
    UNION ALL
    SELECT settled_at, 0, resulted FROM moved WHERE resulted > 0 AND settled_at IS NOT NULL
)
SELECT date_bin(make_interval(mins => s.minutes), t.at, s.since) AS at, s.minutes, sum(t.sent)::int AS sent,
       sum(t.settled)::int AS settled
FROM step s, told t GROUP BY 1, 2 ORDER BY 1;

-- name: messages_in_chunks
-- The places of the messages with a status or a code, in order, after one that is known: only families of chunks are
-- read whose counters say that they hold one, so that any page costs the same however rare they are. :states asks for
-- messages without a result by their chunk's state, :left_out for those on a list, else a code from :lowest to :highest.
WITH family AS MATERIALIZED (
    SELECT min(k.first_seq) AS first_seq, max(k.last_seq) AS last_seq, array_agg(k.chunk_no) AS chunks
    FROM chunk k
    WHERE k.campaign_id = :campaign_id AND k.last_seq > :after
      AND CASE WHEN CAST(:states AS text[]) IS NOT NULL
               THEN k.state = ANY(CAST(:states AS text[])) AND k.resulted + k.suppressed < k.messages
               WHEN :left_out THEN k.suppressed > 0
               ELSE EXISTS (SELECT FROM chunk_result r WHERE r.campaign_id = k.campaign_id AND r.chunk_no = k.chunk_no
                            AND r.code BETWEEN :lowest AND :highest AND r.n > 0) END
    GROUP BY k.root_no ORDER BY 1
)
SELECT m.seq
FROM family f, LATERAL (
    SELECT m.seq FROM message m
    WHERE m.campaign_id = :campaign_id AND m.seq BETWEEN greatest(f.first_seq, :after + 1) AND f.last_seq
      AND m.chunk_no = ANY(f.chunks)
      AND CASE WHEN CAST(:states AS text[]) IS NOT NULL THEN m.result_code IS NULL AND m.suppressed IS NULL
               WHEN :left_out THEN m.suppressed IS NOT NULL
               ELSE m.result_code BETWEEN :lowest AND :highest END
    ORDER BY m.seq
) m
LIMIT :limit;

-- name: messages_to_number_in_campaign
-- The places of a campaign's messages to one number, found by the bloom filters of message_numbers.
SELECT seq FROM message WHERE destino = :destino AND campaign_id = :campaign_id AND seq > :after
ORDER BY seq LIMIT :limit;

-- name: messages_with_own_id_in_campaign
-- The places of a campaign's messages with an own id, found by the bloom filters of message_numbers.
SELECT seq FROM message WHERE external_id = :external_id AND campaign_id = :campaign_id AND seq > :after
ORDER BY seq LIMIT :limit;

-- name: usage_by_campaign
-- The messages of a month by campaign, from the chunks' counters and from the sums of campaigns whose rows have gone; a
-- chunk counts in the month of its last POST.
SELECT k.campaign_id, c.name, c.created_by, sum(k.handed_in)::bigint AS handed_in,
       coalesce(sum(k.accepted), 0)::bigint AS accepted, coalesce(sum(k.rejected), 0)::bigint AS rejected
FROM (
    SELECT k.campaign_id, k.messages - k.suppressed AS handed_in, r.accepted, r.rejected
    FROM chunk k
    LEFT JOIN LATERAL (
        SELECT sum(n) FILTER (WHERE code >= 0) AS accepted, sum(n) FILTER (WHERE code < 0) AS rejected
        FROM chunk_result r WHERE r.campaign_id = k.campaign_id AND r.chunk_no = k.chunk_no
    ) r ON true
    WHERE k.account_id = :account_id AND k.state IN ('accepted', 'settled')
      AND k.posted_at >= (CAST(:first_day AS timestamp) AT TIME ZONE INTERVAL '-3 hours')
      AND k.posted_at < (CAST(:end AS timestamp) AT TIME ZONE INTERVAL '-3 hours')
    UNION ALL
    SELECT campaign_id, CASE WHEN state IN ('accepted', 'settled') THEN messages - suppressed ELSE 0 END,
           CASE WHEN code >= 0 THEN resulted ELSE 0 END, CASE WHEN code < 0 THEN resulted ELSE 0 END
    FROM campaign_sum
    WHERE account_id = :account_id AND day >= CAST(:first_day AS timestamp)::date AND day < CAST(:end AS timestamp)::date
) k
JOIN campaign c ON c.id = k.campaign_id
GROUP BY k.campaign_id, c.name, c.created_by
ORDER BY handed_in DESC, k.campaign_id DESC
LIMIT :limit;

-- name: fold_tally
-- The increments of the tally as one row a label, once there are many. Those that are written meanwhile stay for the next
-- time.
WITH gone AS (
    DELETE FROM tally WHERE id IN (SELECT id FROM tally ORDER BY id LIMIT 10000)
                        AND (SELECT count(*) FROM (SELECT 1 FROM tally LIMIT 500) t) = 500
    RETURNING kind, label, n
)
INSERT INTO tally (kind, label, n) SELECT kind, label, sum(n) FROM gone GROUP BY kind, label;

-- name: metrics_tally
-- What was counted since the database was made. The tick folds it, so that it has a few rows.
SELECT kind, label, sum(n)::bigint AS n FROM tally GROUP BY kind, label;

-- name: metrics_open_chunks
-- Chunks that are not over, by state; those that are over are never counted.
SELECT state, count(*)::int AS n FROM chunk WHERE state = 'due' GROUP BY state
UNION ALL
SELECT state, count(*)::int FROM chunk WHERE state IN ('sending', 'accepted', 'in_doubt', 'held') GROUP BY state;

-- name: metrics_open_campaigns
-- Campaigns that are not over, by state, from the index of the unfinished.
SELECT state, count(*)::int AS n FROM campaign WHERE state IN ('scheduled', 'running', 'paused') GROUP BY state;

-- name: metrics_claimable
-- For each priority, since when something could have been claimed as far as the campaigns decide that.
SELECT c.priority, min(greatest(coalesce(c.opened_at, c.created_at), c.rate_free_at,
                       CASE WHEN c.not_on <> '{}' THEN CAST(:day_began AS timestamptz) END,
                       clock_timestamp() - (CAST(:earliest AS timestamptz) - c.start_at))) AS since
FROM campaign c
WHERE c.account_id = :account_id AND c.state IN ('scheduled', 'running')
  AND (c.start_at IS NULL OR c.start_at <= :earliest) AND (c.expires_at IS NULL OR c.expires_at > :latest)
  AND NOT c.not_on && CAST(:closed AS text[])
  AND rate_allows(c.rate_free_at, c.rate)
  AND EXISTS (SELECT 1 FROM chunk k WHERE k.campaign_id = c.id AND k.state = 'due'
              AND (c.canary_chunks IS NULL OR k.root_no <= c.canary_chunks))
GROUP BY c.priority;

-- name: metrics_last_claim
-- When the account last posted anything: what could go waits from then on.
SELECT max(posted_at) AS at FROM chunk
WHERE account_id = :account_id AND state IN ('sending', 'accepted', 'in_doubt', 'held');

-- name: metrics_unresulted
-- When the oldest chunk that is still without all of its results was posted.
SELECT min(posted_at) AS at FROM chunk WHERE account_id = :account_id AND state IN ('sending', 'accepted', 'in_doubt');

-- name: metrics_webhooks
-- Deliveries that wait for an attempt, and since when the oldest does.
SELECT count(*)::int AS n, min(d.next_at) AS since, (SELECT count(*) FROM webhook WHERE state = 'disabled')::int AS disabled
FROM webhook w JOIN webhook_delivery d ON d.webhook_id = w.id AND d.state = 'due'
WHERE w.state = 'active';

-- name: metrics_unreviewed
-- Replies that might be opt-outs, from the index of those that nobody dealt with.
SELECT count(*)::int AS n FROM reply
WHERE kind = 'review' AND done_at IS NULL AND answered_at IS NULL AND repeated_at IS NULL;

-- name: metrics_scheduled
-- Messages that wait to be sent, from the counters of chunks that are due; tests cost nothing.
SELECT coalesce(sum(k.messages - k.suppressed), 0)::bigint AS n
FROM campaign c JOIN chunk k ON k.campaign_id = c.id AND k.state = 'due'
WHERE c.account_id = :account_id AND c.state IN ('scheduled', 'running', 'paused') AND NOT c.test;

-- name: erase_messages
-- The messages to a number that are final lose number, text, id and the provider's words; their codes stay, and so do all
-- sums. So do those whose chunks have gone after their time, and that wait for their range. Answers what was erased.
UPDATE message m SET destino = '', texto = '(erased)', external_id = NULL,
       result_text = CASE WHEN m.result_text IS NOT NULL THEN '(erased)' END
WHERE m.destino = :destino
  AND NOT EXISTS (SELECT 1 FROM chunk k WHERE k.campaign_id = m.campaign_id AND k.chunk_no = m.chunk_no
                  AND k.state NOT IN ('settled', 'cancelled', 'expired')
                  AND m.result_code IS NULL AND m.suppressed IS NULL)
RETURNING m.campaign_id, m.seq;

-- name: open_messages_to
-- Whether a message to a number is still to be sent, on its way, in doubt or held; or whether a PUSH of it waits for its
-- pulled reply, which would come as a new one.
SELECT EXISTS (
    SELECT 1 FROM message m JOIN chunk k ON k.campaign_id = m.campaign_id AND k.chunk_no = m.chunk_no
    WHERE m.destino = :destino AND m.result_code IS NULL AND m.suppressed IS NULL
      AND k.state NOT IN ('settled', 'cancelled', 'expired')
) OR EXISTS (SELECT 1 FROM single_message WHERE destino = :destino AND state = 'sending')
  OR EXISTS (SELECT 1 FROM reply WHERE origen = :destino AND provider_id IS NULL AND repeated_at IS NULL
             AND received_at > now() - interval '1 day');

-- name: erase_result_lines
-- Every line that the provider gave for messages which were erased.
DELETE FROM result_line l USING unnest(CAST(:campaigns AS bigint[]), CAST(:seqs AS int[])) AS e (campaign_id, seq)
WHERE l.campaign_id = e.campaign_id AND l.seq = e.seq;

-- name: erase_invalid_rows
-- Rows that became no message and hold the number lose what they held; their line stays. `forms` is a pattern of the digits
-- in each order in which they are written. Read whole: it is rare, and no index holds numbers that are none.
UPDATE invalid_row SET raw = '(erased)', facts = '{}', detail = '(erased)', reason = 'erased', code = NULL
WHERE regexp_replace(raw, '[^0-9]', '', 'g') ~ :forms OR regexp_replace(facts::text, '[^0-9]', '', 'g') ~ :forms;

-- name: campaigns_of_number
-- The uploaded lists that a number was in, as far as a campaign was made of them.
SELECT DISTINCT l.upload_id FROM message m JOIN campaign_list l ON l.campaign_id = m.campaign_id
WHERE m.destino = :destino AND l.upload_id IS NOT NULL;

-- name: make_ranges_ahead
-- Ranges of messages for the campaigns to come. Answers how many were made.
SELECT make_message_ranges(s.last_value, :ahead) FROM campaign_id_seq s;

-- name: has_range
-- Whether there is a range for a campaign.
SELECT EXISTS (SELECT 1 FROM message_range WHERE first_campaign <= :campaign_id AND :campaign_id < end_campaign);

-- name: ranges_ahead
-- Ranges that no campaign has reached.
SELECT count(*)::int FROM message_range r, campaign_id_seq s WHERE r.first_campaign > s.last_value;

-- name: range_to_seal
-- The oldest range that is full, whose campaigns have ended, and of which nothing has changed for so many days.
SELECT r.name FROM message_range r, campaign_id_seq s
WHERE NOT r.sealed AND r.end_campaign <= s.last_value
  AND NOT EXISTS (SELECT 1 FROM campaign c WHERE c.id >= r.first_campaign AND c.id < r.end_campaign
                  AND (c.state NOT IN ('completed', 'cancelled')
                       OR coalesce(c.completed_at, c.opened_at, c.created_at)
                          > now() - make_interval(days => :quiet_days)))
  AND NOT EXISTS (SELECT 1 FROM chunk k WHERE k.campaign_id >= r.first_campaign AND k.campaign_id < r.end_campaign
                  AND (k.state IN ('due', 'sending', 'accepted', 'in_doubt', 'held')
                       OR k.settled_at > now() - make_interval(days => :quiet_days)))
  AND NOT EXISTS (SELECT 1 FROM campaign_request q WHERE q.state = 'received'
                  AND q.reserved_id >= r.first_campaign AND q.reserved_id < r.end_campaign)
ORDER BY r.first_campaign LIMIT 1;

-- name: campaigns_to_drop
-- Campaigns whose time to be kept is over, the oldest first: all is final, and has been for so long. A cancelled one
-- ended with the last of its chunks. `by_range`: its rows may wait for their range, of which all goes within the week.
SELECT d.id, d.by_range FROM (
    SELECT c.id, c.created_at,
           NOT EXISTS (SELECT 1 FROM message_range r JOIN campaign o ON o.id >= r.first_campaign AND o.id < r.end_campaign
                       WHERE c.id >= r.first_campaign AND c.id < r.end_campaign AND o.dropped_at IS NULL
                         AND (o.state NOT IN ('completed', 'cancelled') OR coalesce(o.completed_at, o.opened_at, o.created_at)
                              > now() - make_interval(days => :days) + interval '7 days'))
           AND EXISTS (SELECT 1 FROM message_range r, campaign_id_seq s
                       WHERE c.id >= r.first_campaign AND c.id < r.end_campaign AND r.end_campaign <= s.last_value) AS by_range
    FROM campaign c
    WHERE c.dropped_at IS NULL AND c.state IN ('completed', 'cancelled')
      AND c.created_at < now() - interval '7 days'  -- the least that is kept, for the index
      AND c.created_at < now() - make_interval(days => least(c.keep_days, :days))
      AND coalesce(c.completed_at, c.opened_at, c.created_at)
          < now() - make_interval(days => least(c.keep_days, :days))
      AND NOT EXISTS (SELECT 1 FROM chunk k WHERE k.campaign_id = c.id AND (
              k.state IN ('due', 'sending', 'accepted', 'in_doubt', 'held')
              OR greatest(k.posted_at, k.settled_at) > now() - make_interval(days => least(c.keep_days, :days))))
    ORDER BY c.created_at, c.id LIMIT :limit
) d;

-- name: sum_up_campaign
-- What stays of a campaign: its counters by day and state, and by day and code.
INSERT INTO campaign_sum (campaign_id, account_id, day, state, code, chunks, messages, resulted, suppressed)
SELECT campaign_id, account_id, (posted_at AT TIME ZONE INTERVAL '-3 hours')::date, state, NULL, count(*), sum(messages),
       sum(resulted), sum(suppressed)
FROM chunk WHERE campaign_id = :campaign_id GROUP BY 1, 2, 3, 4
UNION ALL
SELECT k.campaign_id, k.account_id, (k.posted_at AT TIME ZONE INTERVAL '-3 hours')::date, NULL, r.code, 0, 0, sum(r.n), 0
FROM chunk_result r JOIN chunk k ON k.campaign_id = r.campaign_id AND k.chunk_no = r.chunk_no
WHERE r.campaign_id = :campaign_id AND r.n > 0 GROUP BY 1, 2, 3, 5;

-- name: drop_messages
-- One round of a campaign's messages, whose range stays for others' sake.
DELETE FROM message WHERE campaign_id = :campaign_id AND seq IN (
    SELECT seq FROM message WHERE campaign_id = :campaign_id ORDER BY seq LIMIT :limit);

-- name: ranges_to_drop
-- Ranges behind which campaigns have gone on, and of whose campaigns none has rows any more.
SELECT r.name FROM message_range r, campaign_id_seq s
WHERE r.end_campaign <= s.last_value
  AND NOT EXISTS (SELECT 1 FROM campaign c WHERE c.id >= r.first_campaign AND c.id < r.end_campaign AND c.dropped_at IS NULL)
  AND EXISTS (SELECT 1 FROM campaign c WHERE c.id >= r.first_campaign AND c.id < r.end_campaign)
  AND NOT EXISTS (SELECT 1 FROM campaign_request q WHERE q.state = 'received'
                  AND q.reserved_id >= r.first_campaign AND q.reserved_id < r.end_campaign)
ORDER BY r.first_campaign;

-- name: left_messages
-- Campaigns that were dropped weeks ago and whose range is still there for others' sake.
SELECT c.id FROM message_range r JOIN campaign c ON c.id >= r.first_campaign AND c.id < r.end_campaign
WHERE c.dropped_at < now() - interval '14 days'
  AND EXISTS (SELECT 1 FROM message m WHERE m.campaign_id = c.id)
ORDER BY c.id LIMIT 50;

-- name: old_rows
-- How many replies, single messages and requests are older than they are kept.
SELECT (SELECT count(*)::int FROM reply WHERE received_at < now() - make_interval(days => :days)
        AND (kind <> 'review' OR done_at IS NOT NULL OR answered_at IS NOT NULL OR repeated_at IS NOT NULL)) AS replies,
       (SELECT count(*)::int FROM single_message WHERE created_at < now() - make_interval(days => :days)
        AND state <> 'sending') AS single_messages,
       (SELECT count(*)::int FROM campaign_request WHERE created_at < now() - make_interval(days => :days)
        AND state IN ('refused', 'failed')) AS requests;

-- name: drop_replies
-- One round of replies that are older than they are kept, but for those that nobody has reviewed.
DELETE FROM reply WHERE id IN (
    SELECT id FROM reply WHERE received_at < now() - make_interval(days => :days)
      AND (kind <> 'review' OR done_at IS NOT NULL OR answered_at IS NOT NULL OR repeated_at IS NOT NULL)
    ORDER BY received_at, id LIMIT :limit);

-- name: note_dropped_replies
-- A pull of the whole inbox brings replies again that were dropped: those from before are not taken as new ones.
UPDATE account SET replies_kept_from = greatest(replies_kept_from, now() - make_interval(days => :days))
WHERE replies_kept_from IS NULL OR replies_kept_from < now() - make_interval(days => :days) - interval '1 day';

-- name: drop_singles
-- One round of single messages that are older than they are kept. They are in the order of time, so the first one that is
-- younger ends it.
DELETE FROM single_message WHERE id IN (
    SELECT o.id FROM (SELECT id, created_at, state FROM single_message ORDER BY id LIMIT :limit) o
    WHERE o.created_at < now() - make_interval(days => :days) AND o.state <> 'sending');

-- name: drop_requests
-- One round of requests that made no campaign; those that made one go with it.
DELETE FROM campaign_request WHERE idempotency_key IN (
    SELECT idempotency_key FROM campaign_request
    WHERE created_at < now() - make_interval(days => :days) AND state IN ('refused', 'failed')
    ORDER BY created_at LIMIT :limit);

-- name: drop_unused_uploads
-- What is known of lists that were dropped long ago and that nothing refers to.
DELETE FROM upload u WHERE u.dropped_at < now() - make_interval(days => :days)
  AND NOT EXISTS (SELECT 1 FROM campaign c WHERE c.upload_id = u.id)
  AND NOT EXISTS (SELECT 1 FROM campaign_list l WHERE l.upload_id = u.id)
  AND NOT EXISTS (SELECT 1 FROM campaign_request q WHERE q.upload_id = u.id);

-- name: sent_lately
-- Whether anything was posted in the last five minutes.
SELECT EXISTS (SELECT 1 FROM account a WHERE (
    SELECT max(posted_at) FROM chunk WHERE account_id = a.id AND state IN ('sending', 'accepted', 'in_doubt', 'held')
  ) > clock_timestamp() - interval '5 minutes' OR (
    SELECT max(posted_at) FROM chunk WHERE account_id = a.id AND resulted > 0
  ) > clock_timestamp() - interval '5 minutes');
