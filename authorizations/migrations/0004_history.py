"""The change history begins: each table it is about gets its trigger."""

from importlib import import_module

import pgtrigger
from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

THIS_SCHEMA_ALONE = import_module("authorizations.migrations.0002_guards").THIS_SCHEMA_ALONE

# TRUNCATE fires no trigger for its rows: they would go unrecorded.
REFUSE = """
CREATE FUNCTION authorizations_refuse_truncate() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'changes of % are recorded row by row: TRUNCATE refused', TG_TABLE_NAME
        USING ERRCODE = '23514', HINT = 'DELETE the rows instead.';
END
$$
"""


def install(_: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    schema_editor.execute(THIS_SCHEMA_ALONE)
    # Tables of Django's as well as ours, so each by itself: no app's migrations know them all.
    for model, trigger in pgtrigger.registered():
        trigger.install(model, database=schema_editor.connection.alias)
        schema_editor.execute(
            f"CREATE TRIGGER recorded_row_by_row BEFORE TRUNCATE ON {model._meta.db_table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION authorizations_refuse_truncate()"
        )


def uninstall(_: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for model, trigger in pgtrigger.registered():
        trigger.uninstall(model, database=schema_editor.connection.alias)
        schema_editor.execute(f"DROP TRIGGER recorded_row_by_row ON {model._meta.db_table}")


class Migration(migrations.Migration):
    dependencies = [
        ("authorizations", "0003_roles"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [
        migrations.RunSQL(REFUSE, "DROP FUNCTION authorizations_refuse_truncate()"),
        migrations.RunPython(install, uninstall),
    ]
