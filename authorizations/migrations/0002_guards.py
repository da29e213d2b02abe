"""What only the database can promise: rows that stay as written, and tables laid out for it."""

from django.db import migrations

APPEND_ONLY = (
    "authorizations_webhookrequest",
    "authorizations_decision",
    "authorizations_ledgerentry",
    "authorizations_policyversion",
    "authorizations_rejectedrequest",
    "authorizations_export",
    "authorizations_exportend",
    "authorizations_proofrun",
    "authorizations_standinswitch",
    "authorizations_historyentry",
)

REFUSE = """
CREATE FUNCTION authorizations_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = '23514', HINT = 'Write a new row that corrects the old one.';
END
$$
"""

GUARD = """
CREATE TRIGGER append_only BEFORE UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION authorizations_refuse_change();
CREATE TRIGGER append_only_whole BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION authorizations_refuse_change()
"""

UNGUARD = """
DROP TRIGGER append_only ON {table};
DROP TRIGGER append_only_whole ON {table}
"""

# Room on each page, so that an update need not touch the indexes; vacuum by count, because a
# share of a large table is too much to wait for.
LAYOUT = """
ALTER TABLE authorizations_usage SET (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000
);
ALTER TABLE authorizations_authorization SET (
    fillfactor = 70, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000
);
ALTER TABLE authorizations_tally SET (fillfactor = 70);
ALTER TABLE authorizations_answertimes SET (fillfactor = 70)
"""

# A root is its own root, also against a neighbour who has not committed yet: each side of a foreign
# key waits for the other. Whoever hangs a card under a root holds that row's key, and a root that is
# hung under another one loses its key.
ROOTS = """
ALTER TABLE authorizations_card ADD CONSTRAINT card_root_is_its_own_root
    FOREIGN KEY (root_id) REFERENCES authorizations_card (own_root)
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


# Where processes tell each other of wrong codes; as `manage.py createcachetable` makes it.
SHARED_CACHE = """
CREATE TABLE authorizations_shared_cache (
    cache_key varchar(255) PRIMARY KEY, value text NOT NULL, expires timestamptz NOT NULL
);
CREATE INDEX authorizations_shared_cache_expires ON authorizations_shared_cache (expires)
"""


class Migration(migrations.Migration):
    dependencies = [("authorizations", "0001_initial")]

    operations = [
        migrations.RunSQL(REFUSE, "DROP FUNCTION authorizations_refuse_change()"),
        *(
            migrations.RunSQL(GUARD.format(table=table), UNGUARD.format(table=table))
            for table in APPEND_ONLY
        ),
        migrations.RunSQL(LAYOUT, migrations.RunSQL.noop),
        migrations.RunSQL(
            ROOTS, "ALTER TABLE authorizations_card DROP CONSTRAINT card_root_is_its_own_root"
        ),
        migrations.RunSQL(DROP_LIKE_INDEXES, migrations.RunSQL.noop),
        migrations.RunSQL(SHARED_CACHE, "DROP TABLE authorizations_shared_cache"),
    ]
