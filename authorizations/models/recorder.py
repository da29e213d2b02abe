"""The trigger that writes the change history: one per table, whoever changes it and however.

It says of each change what the row was and became, which rows it names, and who did it: that is
what `services.store.actor` told the transaction, or else the database role alone.
"""

from typing import Any, NamedTuple

import pghistory.trigger
import pgtrigger
from django.db.models import Model
from pgtrigger import compiler

SEPARATORS = "/\\|_-.,:;@()[]<>#&+*'\"\N{BULLET}"
"""What parts words for the search."""

_FULL_NAME = "nullif(trim(concat_ws(' ', it ->> 'first_name', it ->> 'last_name')), '')"
_USER_NAME = f"coalesce({_FULL_NAME} || ' (' || (it ->> 'username') || ')', it ->> 'username')"
# Kind -> its table, the type of its key, and its name in terms of the row `it`.
_NAMED = {
    "policy": ("authorizations_policy", "bigint", "it ->> 'name'"),
    "policyversion": (
        "authorizations_policyversion",
        "bigint",
        "concat_ws(': ', it ->> 'number', nullif(it ->> 'reason', ''))",
    ),
    "programdefaults": ("authorizations_programdefaults", "smallint", "'new policies'"),
    "cardgroup": ("authorizations_cardgroup", "bigint", "it ->> 'name'"),
    "cardholder": ("authorizations_cardholder", "text", "it ->> 'name'"),
    "card": ("authorizations_card", "text", "it ->> 'last4'"),
    "user": ("auth_user", "integer", _USER_NAME),
    "group": ("auth_group", "integer", "it ->> 'name'"),
    "permission": ("auth_permission", "integer", "it ->> 'name'"),
}

_RECORD = """
facts := nullif(current_setting('pghistory.context_metadata', true), '')::jsonb;
IF TG_OP <> 'INSERT' THEN was := to_jsonb(OLD) - '{{{left_out}}}'::text[]; END IF;
IF TG_OP <> 'DELETE' THEN is_now := to_jsonb(NEW) - '{{{left_out}}}'::text[]; END IF;
{extra}
IF was = is_now THEN RETURN NULL; END IF;
SELECT jsonb_object_agg(reference.key, coalesce(reference.name, '') ORDER BY side) INTO named
FROM unnest(ARRAY[was, is_now]) WITH ORDINALITY AS row(it, side)
CROSS JOIN LATERAL (VALUES {references}) AS reference(key, name)
WHERE reference.key IS NOT NULL;
INSERT INTO {table} (
    pgh_created_at, pgh_label, pgh_context_id, pgh_context, database_role, source, user_id,
    kind, object_id, subject, subject_id, names, before, after, words
) VALUES (
    now(), lower(TG_OP), nullif(current_setting('pghistory.context_id', true), '')::uuid, facts,
    session_user,
    CASE WHEN facts ? 'event' THEN 'stripe' WHEN facts ? 'command' THEN 'command'
        WHEN facts ? 'url' THEN 'page' ELSE 'database' END,
    (facts ->> 'user')::integer,
    '{kind}', coalesce(is_now, was) ->> 'id', '{subject}',
    coalesce(is_now, was) ->> '{subject_column}', named, was, is_now,
    to_tsvector('simple', translate(
        authorizations_folded(
            concat_ws(' ', jsonb_path_query_array(named, '$.*'), facts ->> 'name',
                facts ->> 'command', facts ->> 'os_user', facts ->> 'event')
        ),
        '{separators}', repeat(' ', {number_of_separators})
    ))
);
RETURN NULL;
"""

# Never the hash itself: only that it is another one.
HIDE_HASH = """
IF TG_OP = 'UPDATE' THEN
    IF OLD.password <> NEW.password THEN
        was := was || '{"password": "old"}';
        is_now := is_now || '{"password": "new"}';
    END IF;
END IF;
"""

# What the amount of a limit is in, where the limit leaves that to its policy.
ADD_CURRENCY = """
was := was || jsonb_build_object('policy_currency', (
    SELECT currency FROM authorizations_policy WHERE id = (was ->> 'policy_id')::bigint
));
is_now := is_now || jsonb_build_object('policy_currency', (
    SELECT currency FROM authorizations_policy WHERE id = (is_now ->> 'policy_id')::bigint
));
"""


class Unignorable(compiler.UpsertTriggerSql):
    """As pgtrigger installs it, without its way round: SET pgtrigger.ignore silences nothing.

    It runs with the rights of the tables' owner: nobody else writes the history, or must be able
    to read all that an entry names.
    """

    def get_template(self) -> str:
        return """
            CREATE OR REPLACE FUNCTION {pgid}() RETURNS TRIGGER LANGUAGE plpgsql
                SECURITY DEFINER SET search_path FROM CURRENT AS $$
                {declare}
                BEGIN
                    {func}
                END
            $$;
            DROP TRIGGER IF EXISTS {pgid} ON {table};
            CREATE TRIGGER {pgid} {when} {operation} ON {table}
                FOR EACH {level} {condition} EXECUTE FUNCTION {execute};
            COMMENT ON TRIGGER {pgid} ON {table} IS '{hash}';
        """


class Tracked(NamedTuple):
    """A table whose changes are recorded.

    `refers` are the columns that name other rows, by kind; `subject` is the one of them on whose
    page a change belongs most. `left_out` are columns whose change is no news; `extra` is SQL that
    adds to the rows `was` and `is_now`.
    """

    model: type[Model]
    kind: str
    subject: str
    refers: dict[str, str]
    left_out: tuple[str, ...] = ()
    extra: str = ""


class Recorder(pghistory.trigger.Event):
    """Records every insert, update and delete of a table."""

    name = "record"
    label = "record"
    when = pgtrigger.After
    operation = pgtrigger.Insert | pgtrigger.Update | pgtrigger.Delete
    declare = [("facts", "jsonb"), ("was", "jsonb"), ("is_now", "jsonb"), ("named", "jsonb")]

    def __init__(self, event_model: type[Model], tracked: Tracked) -> None:
        super().__init__(event_model=event_model)  # type: ignore[no-untyped-call]
        self.table = event_model._meta.db_table  # noqa: SLF001
        self.tracked = tracked

    def get_func(self, model: Any) -> str:  # noqa: ARG002 - as pgtrigger calls it
        tracked = self.tracked
        func = _RECORD.format(
            table=self.table,
            kind=tracked.kind,
            subject=tracked.subject,
            subject_column=tracked.refers[tracked.subject],
            left_out=",".join(tracked.left_out),
            extra=tracked.extra,
            references=", ".join(_reference(*entry) for entry in tracked.refers.items()),
            separators=SEPARATORS.replace("'", "''"),
            number_of_separators=len(SEPARATORS),
        )
        return self.format_sql(func)

    def compile(self, model: Any) -> compiler.Trigger:
        usual = super().compile(model).sql.kwargs
        return compiler.Trigger(name=self.name or "", sql=Unignorable(**usual))


def _reference(kind: str, column: str) -> str:
    """SQL for the key and the name of what a column names."""
    table, type_of_key, name = _NAMED[kind]
    if column != "id":  # what it is called stands in another row
        key = f"(it ->> '{column}')::{type_of_key}"
        found = f"SELECT to_jsonb(row) AS it FROM {table} row WHERE row.id = {key}"  # noqa: S608
        name = f"(SELECT {name} FROM ({found}) AS found)"  # noqa: S608
    return f"('{kind}:' || (it ->> '{column}'), {name})"
