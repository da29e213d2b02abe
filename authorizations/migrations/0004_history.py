"""The change history begins: each table it is about gets its trigger."""

import pgtrigger
from django.apps.registry import Apps
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor


def install(_: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    # Tables of Django's as well as ours, so each by itself: no app's migrations know them all.
    for model, trigger in pgtrigger.registered():
        trigger.install(model, database=schema_editor.connection.alias)


def uninstall(_: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    for model, trigger in pgtrigger.registered():
        trigger.uninstall(model, database=schema_editor.connection.alias)


class Migration(migrations.Migration):
    dependencies = [
        ("authorizations", "0003_roles"),
        ("auth", "0012_alter_user_first_name_max_length"),
    ]

    operations = [migrations.RunPython(install, uninstall)]
