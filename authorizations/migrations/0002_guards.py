"""What only the database can promise: rows that stay as written, and tables laid out for it."""

from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

from authorizations.services.runtime import tables

APPEND_ONLY = (
    "authorizations_webhookrequest",
    "authorizations_decision",
    "authorizations_ledgerentry",
    "authorizations_policyversion",
    "authorizations_plannedversion",
    "authorizations_plancancellation",
    "authorizations_rejectedrequest",
    "authorizations_export",
    "authorizations_exportend",
    "authorizations_proofrun",
    "authorizations_standinswitch",
    "authorizations_instruction",
    "authorizations_lifting",
    "authorizations_fundentry",
    "authorizations_exceptionuse",
    "authorizations_historyentry",
    "authorizations_findingchange",
    "authorizations_findingwindow",
)

# What runs with the owner's rights finds tables in this schema alone, which each function remembers:
# no temporary table is taken for one of them.
THIS_SCHEMA_ALONE = (
    "SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true)"
)

REFUSE = """
CREATE FUNCTION authorizations_refuse_change() RETURNS trigger LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = '23514', HINT = 'Write a new row that corrects the old one.';
END
$$
"""

GUARD_ROWS = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION authorizations_refuse_change()
"""

GUARD_WHOLE = """
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION authorizations_refuse_change()
"""

# Who may not write what Stripe says enters into the ledger only what an operator books.
OPERATORS_ENTRIES = """
CREATE FUNCTION authorizations_refuse_stripes_entries() RETURNS trigger LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
BEGIN
    RAISE EXCEPTION 'role % may enter only what an operator booked, not %', current_user, NEW.cause
        USING ERRCODE = '42501', HINT = 'Entries without an author follow from Stripe''s events.';
END
$$
"""

OPERATORS_ENTRIES_TRIGGER = """
CREATE TRIGGER operators_entries BEFORE INSERT ON authorizations_ledgerentry FOR EACH ROW
    WHEN (NEW.author = '' AND NOT has_table_privilege(
        current_user, 'authorizations_webhookrequest'::regclass, 'INSERT'
    ))
    EXECUTE FUNCTION authorizations_refuse_stripes_entries()
"""

# A finding stands as its newest change says, and changes in no other way.
COPY_CHANGE = """
CREATE FUNCTION authorizations_copy_change() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE authorizations_finding SET
        state = NEW.state, amount = NEW.amount, description = NEW.description, done = NEW.done,
        event_id = coalesce(nullif(NEW.event_id, ''), event_id)
    WHERE id = NEW.finding_id;
    RETURN NULL;
END
$$
"""

COPY_CHANGE_TRIGGER = """
CREATE TRIGGER stands_as_it_says AFTER INSERT ON authorizations_findingchange
    FOR EACH ROW EXECUTE FUNCTION authorizations_copy_change()
"""

REFUSE_BUT_BY_CHANGE = """
CREATE FUNCTION authorizations_refuse_but_by_change() RETURNS trigger LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND pg_trigger_depth() > 1 THEN
        RETURN NEW;
    END IF;
    RAISE EXCEPTION '% follows its changes: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = '23514', HINT = 'Add a row to authorizations_findingchange.';
END
$$
"""

GUARD_FINDINGS = """
CREATE TRIGGER follows_its_changes BEFORE UPDATE OR DELETE ON authorizations_finding
    FOR EACH ROW EXECUTE FUNCTION authorizations_refuse_but_by_change()
"""

GUARD_FINDINGS_WHOLE = """
CREATE TRIGGER follows_its_changes_whole BEFORE TRUNCATE ON authorizations_finding
    FOR EACH STATEMENT EXECUTE FUNCTION authorizations_refuse_but_by_change()
"""

# What decisions read of an instruction: its row never changes, so it is put together once.
TOLD = """
CREATE FUNCTION authorizations_told(it authorizations_instruction) RETURNS text LANGUAGE sql STABLE
    SET search_path FROM CURRENT AS $$
    SELECT json_build_object(
        'id', it.id, 'kind', it.kind, 'scope', it.scope, 'policy', it.policy_id, 'terms', it.terms,
        'until', floor(extract(epoch FROM it.ends_at))::bigint,
        'author', it.author_name, 'reason', it.reason
    )::text
$$
"""

# What is lifted is not read again: in years, a card may have had thousands of freezes. Always by the
# indexes: a plan made while the table is new would read all of it for each row of an import.
OPEN_INSTRUCTION = """
CREATE FUNCTION authorizations_open_instruction() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT SET enable_seqscan = off AS $$
BEGIN
    DELETE FROM authorizations_openinstruction WHERE instruction_id IN (
        SELECT instruction_id FROM authorizations_openinstruction
        WHERE scope = NEW.scope AND ends_at <= clock_timestamp()
        FOR UPDATE SKIP LOCKED
    );
    INSERT INTO authorizations_openinstruction (instruction_id, scope, starts_at, ends_at, told)
    VALUES (NEW.id, NEW.scope, NEW.starts_at, NEW.ends_at, authorizations_told(NEW));
    RETURN NULL;
END
$$
"""

OPEN_INSTRUCTION_TRIGGER = """
CREATE TRIGGER opens AFTER INSERT ON authorizations_instruction
    FOR EACH ROW EXECUTE FUNCTION authorizations_open_instruction()
"""

CLOSE_INSTRUCTION = """
CREATE FUNCTION authorizations_close_instruction() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    DELETE FROM authorizations_openinstruction WHERE instruction_id = NEW.instruction_id;
    RETURN NULL;
END
$$
"""

CLOSE_INSTRUCTION_TRIGGER = """
CREATE TRIGGER closes AFTER INSERT ON authorizations_{table}
    FOR EACH ROW EXECUTE FUNCTION authorizations_close_instruction()
"""

# A limit on attempts freezes a card. It runs with the owner's rights, since the role that answers
# Stripe writes no other instruction. In force from this statement on, so for the next request.
FREEZE_CARD = """
CREATE FUNCTION authorizations_freeze_card(
    card text, limit_name text, decision text, created bigint, minutes int, reason text
) RETURNS void LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
    INSERT INTO authorizations_instruction (
        kind, scope, terms, starts_at, ends_at, author_name, reason, reference
    )
    VALUES (
        'freeze', 'card:' || card,
        jsonb_build_object('attempts', limit_name, 'decision', decision, 'created', created),
        statement_timestamp(), statement_timestamp() + make_interval(mins => minutes), '', reason, ''
    )
$$
"""
_FREEZE_CARD = "authorizations_freeze_card(text, text, text, bigint, int, text)"

# A pot is the sum of its entries. Who writes one has locked the scope, as purchases do.
ADD_TO_POT = """
CREATE FUNCTION authorizations_add_to_pot() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
    UPDATE authorizations_potsum
    SET amount = amount + NEW.amount, since = least(since, NEW.counts_from)
    WHERE (scope, policy_id, limit_key, currency)
        = (NEW.scope, NEW.policy_id, NEW.limit_key, NEW.currency);
    IF NOT FOUND THEN
        INSERT INTO authorizations_potsum (scope, policy_id, limit_key, currency, amount, since)
        VALUES (
            NEW.scope, NEW.policy_id, NEW.limit_key, NEW.currency, NEW.amount, NEW.counts_from
        );
    END IF;
    RETURN NULL;
END
$$
"""

ADD_TO_POT_TRIGGER = """
CREATE TRIGGER adds_to_pot AFTER INSERT ON authorizations_fundentry
    FOR EACH ROW EXECUTE FUNCTION authorizations_add_to_pot()
"""

# Whoever could make one of these the trigger of a temporary table of their own would write with the
# owner's rights. A trigger that is there fires for everybody.
_OF_THE_OWNERS_TRIGGERS = ("copy_change", "open_instruction", "close_instruction", "add_to_pot")
FOR_TRIGGERS_ALONE = "REVOKE EXECUTE ON FUNCTION authorizations_{name}() FROM PUBLIC"

# Room on each page, so that an update need not touch the indexes; vacuum by count, because a
# share of a large table is too much to wait for.
_VACUUM_BY_COUNT = "autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000"
LAYOUT = {
    "authorizations_usage": f"fillfactor = 70, {_VACUUM_BY_COUNT}",
    "authorizations_authorization": f"fillfactor = 70, {_VACUUM_BY_COUNT}",
    "authorizations_tally": "fillfactor = 70",
    "authorizations_answertimes": "fillfactor = 70",
}

# A root is its own root, also against a neighbour who has not committed yet: each side of a foreign
# key waits for the other. A transaction that hangs a card under a root holds that row's key, and a root that is
# hung under another one loses its key.
ROOTS = """
ALTER TABLE authorizations_card ADD CONSTRAINT card_root_is_its_own_root
    FOREIGN KEY (root_id) REFERENCES authorizations_card (own_root)
"""

# What a decision changes of what operators edit: a card that turns out to replace another gives its
# group and assignments to the first of the chain. It runs with the owner's rights, since the role
# that answers Stripe may write neither; both roots are locked by then.
MOVE_CHAIN = """
CREATE FUNCTION authorizations_move_chain(old_root text, new_root text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    taken_along bigint;
    was_grouped_by text;
BEGIN
    SELECT group_id, grouped_by INTO taken_along, was_grouped_by
    FROM authorizations_card WHERE id = old_root;
    UPDATE authorizations_card SET root_id = new_root, group_id = NULL, grouped_by = ''
    WHERE root_id = old_root;
    UPDATE authorizations_card SET group_id = taken_along, grouped_by = was_grouped_by
    WHERE id = new_root AND group_id IS NULL AND taken_along IS NOT NULL;
    UPDATE authorizations_assignment SET card_id = new_root
    WHERE card_id = old_root AND policy_id NOT IN (
        SELECT policy_id FROM authorizations_assignment WHERE card_id = new_root
    );
    DELETE FROM authorizations_assignment WHERE card_id = old_root;
    -- Own amounts and exclusions go along: they end here and are written again there. Whatever is lifted
    -- meanwhile stays lifted.
    WITH moved AS (
        INSERT INTO authorizations_lifting (instruction_id, lifted_at, reason)
        SELECT id, now(), 'Goes on with the first card of its chain, ' || new_root
        FROM authorizations_openinstruction AS open
        JOIN authorizations_instruction AS it ON it.id = open.instruction_id
        WHERE open.scope = 'card:' || old_root AND kind IN ('override', 'exclusion')
            AND (it.ends_at IS NULL OR it.ends_at > now())
        ON CONFLICT DO NOTHING
        RETURNING instruction_id
    )
    INSERT INTO authorizations_instruction (
        kind, scope, policy_id, terms, starts_at, ends_at, author_id, author_name, reason, reference
    )
    SELECT
        kind, 'card:' || new_root, policy_id, terms, greatest(starts_at, now()), ends_at, author_id,
        author_name, reason, ''
    FROM authorizations_instruction
    WHERE id IN (SELECT instruction_id FROM moved)
    ORDER BY id;
    -- Each entry of funds is made again there, under its reference, by which policy files know it.
    INSERT INTO authorizations_fundentry (
        policy_id, limit_key, scope, currency, amount, counts_from, entered_at, author_id, reference,
        reason
    )
    SELECT
        policy_id, limit_key, 'card:' || new_root, currency, amount, counts_from, clock_timestamp(),
        author_id, CASE WHEN EXISTS (
            SELECT FROM authorizations_fundentry AS there
            WHERE (there.scope, there.policy_id, there.limit_key, there.currency, there.reference)
                = ('card:' || new_root, it.policy_id, it.limit_key, it.currency, it.reference)
        ) THEN left(it.id || ' of ' || old_root || ': ' || reference, 100) ELSE reference END, reason
    FROM authorizations_fundentry AS it WHERE scope = 'card:' || old_root
    ORDER BY id;
END
$$
"""

# Groups the roots of chains as the groups' rules say, unless a card was grouped by hand; returns
# those that it has moved. What a card's own metadata says counts before that of the card it
# replaces, and both before its cardholder's. Where two rules match, nothing changes. It runs with
# the owner's rights, since the role that answers Stripe may group no card; the roots are locked.
GROUP_BY_METADATA = """
CREATE FUNCTION authorizations_group_by_metadata(roots text[]) RETURNS SETOF text
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
WITH RECURSIVE chain AS (
    SELECT id AS root, id, cardholder_id, metadata, 0 AS place FROM authorizations_card
    WHERE id = ANY(roots) AND root_id = id
        AND (grouped_by = 'rule' OR (grouped_by = '' AND group_id IS NULL))
    UNION ALL
    SELECT chain.root, next.id, next.cardholder_id, next.metadata, chain.place + 1
    FROM chain JOIN authorizations_card AS next
        ON next.root_id = chain.root AND next.replacement_for = chain.id AND next.id <> chain.root
    WHERE chain.place < 1000
), newest AS (
    SELECT DISTINCT ON (chain.root) chain.root, holder.metadata
    FROM chain LEFT JOIN authorizations_cardholder AS holder ON holder.id = chain.cardholder_id
    ORDER BY chain.root, chain.place DESC
), wanted AS (
    SELECT newest.root, count(rule.id) AS rules, min(rule.id) AS group_id
    FROM newest LEFT JOIN authorizations_cardgroup AS rule ON rule.metadata_key <> ''
        AND rule.metadata_value = coalesce(
            (
                SELECT chain.metadata ->> rule.metadata_key FROM chain
                WHERE chain.root = newest.root AND chain.metadata ? rule.metadata_key
                ORDER BY chain.place DESC LIMIT 1
            ),
            newest.metadata ->> rule.metadata_key
        )
    GROUP BY newest.root
)
UPDATE authorizations_card AS card SET
    group_id = wanted.group_id,
    grouped_by = CASE WHEN wanted.group_id IS NULL THEN '' ELSE 'rule' END
FROM wanted
WHERE card.id = wanted.root AND wanted.rules < 2
    AND card.group_id IS DISTINCT FROM wanted.group_id
RETURNING card.id
$$
"""

# Which version of a policy is in force at an instant, if it may be a planned one. Of the plans only
# those are read that begin after what was published last without one, the latest first. A function,
# so that a statement that calls it for no policy neither opens nor locks its tables.
VERSION_AT = """
CREATE FUNCTION authorizations_version_at(policy bigint, instant timestamptz) RETURNS bigint
LANGUAGE sql STABLE SET search_path FROM CURRENT AS $$
    SELECT coalesce((
        SELECT planned.version_id FROM authorizations_plannedversion AS planned
        WHERE planned.policy_id = it.id
            AND (planned.begins_at, planned.version_id)
                > (coalesce(published.created_at, '-infinity'), coalesce(published.id, 0))
            AND planned.begins_at <= instant
            AND (planned.ends_at IS NULL OR instant < planned.ends_at)
            AND NOT EXISTS (
                SELECT FROM authorizations_plancancellation AS cancelled
                WHERE cancelled.version_id = planned.version_id
            )
        ORDER BY planned.begins_at DESC, planned.version_id DESC LIMIT 1
    ), it.current_version_id)
    FROM authorizations_policy AS it
    LEFT JOIN authorizations_policyversion AS published ON published.id = it.current_version_id
    WHERE it.id = policy
$$
"""

# Django adds an index for LIKE 'prefix%' to every text key; ids are only looked up whole.
DROP_LIKE_INDEXES = """
DO $$
DECLARE
    found text;
BEGIN
    FOR found IN
        SELECT indexname FROM pg_indexes
        WHERE schemaname = current_schema() AND indexname LIKE '%\\_like' AND tablename IN (
            'authorizations_decision', 'authorizations_authorization', 'authorizations_card',
            'authorizations_cardholder', 'authorizations_listeddecision', 'authorizations_tally',
            'authorizations_merchantname', 'authorizations_transaction', 'authorizations_finding',
            'authorizations_unappliedevent'
        )
    LOOP
        EXECUTE format('DROP INDEX %I', found);
    END LOOP;
END
$$
"""


# Where processes share the wrong codes; as `manage.py createcachetable` makes it.
SHARED_CACHE = """
CREATE TABLE authorizations_shared_cache (
    cache_key varchar(255) PRIMARY KEY, value text NOT NULL, expires timestamptz NOT NULL
)
"""

SHARED_CACHE_INDEX = """
CREATE INDEX authorizations_shared_cache_expires ON authorizations_shared_cache (expires)
"""


def leave_stamp(_: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    tables.leave_stamp(schema_editor.connection)


def take_stamp_away(_: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    tables.take_stamp_away(schema_editor.connection)


class Migration(migrations.Migration):
    dependencies = [("authorizations", "0001_initial")]

    operations = [
        migrations.RunSQL(THIS_SCHEMA_ALONE, migrations.RunSQL.noop),
        migrations.RunSQL(REFUSE, "DROP FUNCTION authorizations_refuse_change()"),
        *(
            migrations.RunSQL(
                GUARD_ROWS.format(table=table), f"DROP TRIGGER append_only ON {table}"
            )
            for table in APPEND_ONLY
        ),
        *(
            migrations.RunSQL(
                GUARD_WHOLE.format(table=table), f"DROP TRIGGER append_only_whole ON {table}"
            )
            for table in APPEND_ONLY
        ),
        migrations.RunSQL(
            OPERATORS_ENTRIES, "DROP FUNCTION authorizations_refuse_stripes_entries()"
        ),
        migrations.RunSQL(
            OPERATORS_ENTRIES_TRIGGER,
            "DROP TRIGGER operators_entries ON authorizations_ledgerentry",
        ),
        migrations.RunSQL(COPY_CHANGE, "DROP FUNCTION authorizations_copy_change()"),
        migrations.RunSQL(
            COPY_CHANGE_TRIGGER, "DROP TRIGGER stands_as_it_says ON authorizations_findingchange"
        ),
        migrations.RunSQL(
            REFUSE_BUT_BY_CHANGE, "DROP FUNCTION authorizations_refuse_but_by_change()"
        ),
        migrations.RunSQL(
            GUARD_FINDINGS, "DROP TRIGGER follows_its_changes ON authorizations_finding"
        ),
        migrations.RunSQL(
            GUARD_FINDINGS_WHOLE, "DROP TRIGGER follows_its_changes_whole ON authorizations_finding"
        ),
        migrations.RunSQL(TOLD, "DROP FUNCTION authorizations_told(authorizations_instruction)"),
        migrations.RunSQL(OPEN_INSTRUCTION, "DROP FUNCTION authorizations_open_instruction()"),
        migrations.RunSQL(
            OPEN_INSTRUCTION_TRIGGER, "DROP TRIGGER opens ON authorizations_instruction"
        ),
        migrations.RunSQL(CLOSE_INSTRUCTION, "DROP FUNCTION authorizations_close_instruction()"),
        *(
            migrations.RunSQL(
                CLOSE_INSTRUCTION_TRIGGER.format(table=table),
                f"DROP TRIGGER closes ON authorizations_{table}",
            )
            for table in ("lifting", "exceptionuse")
        ),
        migrations.RunSQL(FREEZE_CARD, f"DROP FUNCTION {_FREEZE_CARD}"),
        migrations.RunSQL(
            f"REVOKE EXECUTE ON FUNCTION {_FREEZE_CARD} FROM PUBLIC", migrations.RunSQL.noop
        ),
        migrations.RunSQL(ADD_TO_POT, "DROP FUNCTION authorizations_add_to_pot()"),
        migrations.RunSQL(
            ADD_TO_POT_TRIGGER, "DROP TRIGGER adds_to_pot ON authorizations_fundentry"
        ),
        *(
            migrations.RunSQL(FOR_TRIGGERS_ALONE.format(name=name), migrations.RunSQL.noop)
            for name in _OF_THE_OWNERS_TRIGGERS
        ),
        *(
            migrations.RunSQL(f"ALTER TABLE {table} SET ({options})", migrations.RunSQL.noop)
            for table, options in LAYOUT.items()
        ),
        migrations.RunSQL(
            ROOTS, "ALTER TABLE authorizations_card DROP CONSTRAINT card_root_is_its_own_root"
        ),
        migrations.RunSQL(MOVE_CHAIN, "DROP FUNCTION authorizations_move_chain(text, text)"),
        migrations.RunSQL(
            "REVOKE EXECUTE ON FUNCTION authorizations_move_chain(text, text) FROM PUBLIC",
            migrations.RunSQL.noop,
        ),
        migrations.RunSQL(
            GROUP_BY_METADATA, "DROP FUNCTION authorizations_group_by_metadata(text[])"
        ),
        migrations.RunSQL(
            "REVOKE EXECUTE ON FUNCTION authorizations_group_by_metadata(text[]) FROM PUBLIC",
            migrations.RunSQL.noop,
        ),
        migrations.RunSQL(
            VERSION_AT, "DROP FUNCTION authorizations_version_at(bigint, timestamptz)"
        ),
        migrations.RunSQL(DROP_LIKE_INDEXES, migrations.RunSQL.noop),
        migrations.RunSQL(SHARED_CACHE, "DROP TABLE authorizations_shared_cache"),
        migrations.RunSQL(SHARED_CACHE_INDEX, migrations.RunSQL.noop),
        migrations.RunPython(leave_stamp, take_stamp_away),
    ]
