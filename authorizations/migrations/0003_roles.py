"""The two roles of the staff: Operations edit, Auditors read."""

from typing import Any

from django.apps.registry import Apps
from django.contrib.auth.management import create_permissions
from django.db import migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor

EDITED = (
    "policy",
    "assignment",
    "programdefaults",
    "cardgroup",
    "card",
    "cardholder",
)

# These are never added or removed by hand, but operators work on them.
CHANGED = (
    "change_authorization",
    "change_finding",
    "change_unappliedevent",
    "switch_standin",
    "add_instruction",
    "add_lifting",
    "add_fundentry",
)


def create_roles(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    using = schema_editor.connection.alias
    # Permissions usually come after all migrations; the roles need them now.
    for label in ("authorizations", "auth"):
        app_config: Any = apps.get_app_config(label)
        app_config.models_module = True
        create_permissions(app_config, apps=apps, using=using, verbosity=0)
        app_config.models_module = None
    group = apps.get_model("auth", "Group").objects.using(using)
    every = apps.get_model("auth", "Permission").objects.using(using)
    permissions = every.filter(content_type__app_label="authorizations")
    view = permissions.filter(codename__startswith="view_")
    edit = permissions.filter(content_type__model__in=EDITED)
    edit |= permissions.filter(codename__in=CHANGED)
    people = every.filter(content_type__app_label="auth", codename__in=("view_user", "view_group"))
    auditors, _ = group.get_or_create(name="Auditors")
    auditors.permissions.set(view | people)
    operations, _ = group.get_or_create(name="Operations")
    operations.permissions.set(view | edit)


def remove_roles(apps: Apps, schema_editor: BaseDatabaseSchemaEditor) -> None:
    group = apps.get_model("auth", "Group").objects.using(schema_editor.connection.alias)
    group.filter(name__in=("Auditors", "Operations")).delete()


class Migration(migrations.Migration):
    dependencies = [
        ("authorizations", "0002_guards"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
    ]

    operations = [migrations.RunPython(create_roles, remove_roles)]
