"""The change history begins: each table it is about gets its trigger."""

from importlib import import_module

from django.db import migrations

_GUARDS = import_module("authorizations.migrations.0002_guards")
THIS_SCHEMA_ALONE = _GUARDS.THIS_SCHEMA_ALONE
FOR_TRIGGERS_ALONE = _GUARDS.FOR_TRIGGERS_ALONE

# As in models.history.
SEPARATORS = "/\\|_-.,:;@()[]<>#&+*'\"\N{BULLET}"

# Table -> the arguments of its trigger, see RECORD.
RECORDED = {
    "authorizations_policy": "policy {planned_until} policy id policyversion current_version_id",
    "authorizations_plannedversion": "plannedversion {} policy policy_id policyversion version_id",
    "authorizations_plancancellation": "plancancellation {} policy policy_id policyversion version_id",
    "authorizations_assignment": "assignment {scope} policy policy_id cardgroup group_id "
    "cardholder cardholder_id card card_id",
    "authorizations_programdefaults": "programdefaults {} programdefaults id",
    "authorizations_cardgroup": "cardgroup {} cardgroup id",
    "authorizations_card": "card {details_at,first_seen,metadata,metadata_at,own_root} card id "
    "cardholder cardholder_id cardgroup group_id",
    "authorizations_cardholder": "cardholder "
    "{details_at,first_seen,metadata,metadata_at,folded_name} cardholder id",
    "auth_user": "user {last_login,password} user id",
    "auth_user_groups": "userrole {} user user_id group group_id",
    "auth_user_user_permissions": "userpermission {} user user_id permission permission_id",
    "auth_group": "group {} group id",
    "authorizations_exceptionlimit": "exceptionlimit {} group role_id",
    "auth_group_permissions": "rolepermission {} group group_id permission permission_id",
}

# Its arguments: what kind of row it is, the columns whose change is no news, and for each column
# that names a row the kind of that row and the column; first the one a change is listed under.
# It runs with the owner's rights: no other role writes the history, or has to be able to read all that
# an entry names.
RECORD = f"""
CREATE FUNCTION authorizations_record_change() RETURNS trigger LANGUAGE plpgsql
    SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    work jsonb := nullif(current_setting('desk.work', true), '');
    facts jsonb := work -> 'facts';
    was jsonb;
    is_now jsonb;
    it jsonb;
    named jsonb;
    names jsonb := '{{}}';
    key text;
BEGIN
    IF TG_OP <> 'INSERT' THEN was := to_jsonb(OLD) - TG_ARGV[1]::text[]; END IF;
    IF TG_OP <> 'DELETE' THEN is_now := to_jsonb(NEW) - TG_ARGV[1]::text[]; END IF;
    IF TG_ARGV[0] = 'user' AND TG_OP = 'UPDATE' THEN
        -- Never the hash itself: only that it is another one.
        IF OLD.password <> NEW.password THEN
            was := was || '{{"password": "old"}}';
            is_now := is_now || '{{"password": "new"}}';
        END IF;
    END IF;
    IF was = is_now THEN RETURN NULL; END IF;

    FOREACH it IN ARRAY ARRAY[is_now, was] LOOP
        FOR n IN 2 .. TG_NARGS - 1 BY 2 LOOP
            key := it ->> TG_ARGV[n + 1];
            CONTINUE WHEN key IS NULL OR names ? (TG_ARGV[n] || ':' || key);
            named := it;
            IF TG_ARGV[n + 1] <> 'id' THEN
                EXECUTE format(
                    'SELECT to_jsonb(named) FROM %I AS named WHERE id = %L',
                    CASE WHEN TG_ARGV[n] IN ('user', 'group', 'permission') THEN 'auth_'
                        ELSE 'authorizations_' END || TG_ARGV[n],
                    key
                ) INTO named;
            END IF;
            names := names || jsonb_build_object(TG_ARGV[n] || ':' || key, coalesce(
                CASE TG_ARGV[n]
                    WHEN 'card' THEN named ->> 'last4'
                    WHEN 'policyversion' THEN
                        concat_ws(': ', named ->> 'number', nullif(named ->> 'reason', ''))
                    WHEN 'programdefaults' THEN 'new policies'
                    WHEN 'user' THEN coalesce(
                        nullif(trim(concat_ws(' ', named ->> 'first_name', named ->> 'last_name')), '')
                            || ' (' || (named ->> 'username') || ')',
                        named ->> 'username'
                    )
                    ELSE named ->> 'name'
                END, ''
            ));
        END LOOP;
    END LOOP;

    INSERT INTO authorizations_historyentry (
        changed_at, operation, work, facts, database_role, source, user_id,
        kind, object_id, subject, subject_id, names, before, after, words
    ) VALUES (
        now(), lower(TG_OP), (work ->> 'id')::uuid, facts, session_user,
        CASE WHEN facts ? 'event' THEN 'stripe' WHEN facts ? 'command' THEN 'command'
            WHEN facts ? 'url' THEN 'page' ELSE 'database' END,
        (facts ->> 'user')::bigint,
        TG_ARGV[0], coalesce(is_now, was) ->> 'id',
        TG_ARGV[2], coalesce(is_now, was) ->> TG_ARGV[3], names, was, is_now,
        to_tsvector('simple', translate(
            authorizations_folded(
                concat_ws(' ', jsonb_path_query_array(names, '$.*'), facts ->> 'name',
                    facts ->> 'command', facts ->> 'os_user', facts ->> 'event')
            ),
            '{SEPARATORS.replace("'", "''")}', repeat(' ', {len(SEPARATORS)})
        ))
    );
    RETURN NULL;
END
$$
"""  # noqa: S608 - of constants

RECORD_ROW = """
CREATE TRIGGER record AFTER INSERT OR UPDATE OR DELETE ON {table}
    FOR EACH ROW EXECUTE FUNCTION authorizations_record_change({arguments})
"""

# TRUNCATE fires no trigger for its rows: they would go unrecorded.
REFUSE = """
CREATE FUNCTION authorizations_refuse_truncate() RETURNS trigger LANGUAGE plpgsql
    SET search_path FROM CURRENT AS $$
BEGIN
    RAISE EXCEPTION 'changes of % are recorded row by row: TRUNCATE refused', TG_TABLE_NAME
        USING ERRCODE = '23514', HINT = 'DELETE the rows instead.';
END
$$
"""

REFUSE_WHOLE = """
CREATE TRIGGER recorded_row_by_row BEFORE TRUNCATE ON {table}
    FOR EACH STATEMENT EXECUTE FUNCTION authorizations_refuse_truncate()
"""


class Migration(migrations.Migration):
    dependencies = [
        ("authorizations", "0003_roles"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.RunSQL(THIS_SCHEMA_ALONE, migrations.RunSQL.noop),
        migrations.RunSQL(RECORD, "DROP FUNCTION authorizations_record_change()"),
        migrations.RunSQL(FOR_TRIGGERS_ALONE.format(name="record_change"), migrations.RunSQL.noop),
        migrations.RunSQL(REFUSE, "DROP FUNCTION authorizations_refuse_truncate()"),
        *(
            migrations.RunSQL(
                RECORD_ROW.format(table=table, arguments=", ".join(map(repr, arguments.split()))),
                f"DROP TRIGGER record ON {table}",
            )
            for table, arguments in RECORDED.items()
        ),
        *(
            migrations.RunSQL(
                REFUSE_WHOLE.format(table=table), f"DROP TRIGGER recorded_row_by_row ON {table}"
            )
            for table in RECORDED
        ),
    ]
