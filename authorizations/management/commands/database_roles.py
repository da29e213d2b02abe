"""manage.py database_roles"""

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import connection, transaction

from authorizations.services.webhook.database_roles import Roles, rights, script

NAMES = {
    "owner": ("desk_owner", "Owns the tables; only `migrate` logs in as it."),
    "webhook": ("desk_webhook", "Answers Stripe."),
    "admin": ("desk_admin", "Serves people's pages and runs the other commands."),
    "record": ("desk_record", "Runs the commands that write by Stripe's word or prove the record."),
}


class Command(BaseCommand):
    help = (
        "Prints SQL that makes the roles of PostgreSQL a desk is served with, none of which can "
        "change the record, in one transaction. Run it in the desk's database, as a superuser or "
        "as the role with CREATEROLE that owns it, after the first `migrate`; then give each role "
        "a password (psql: \\password desk_webhook)."
    )
    requires_migrations_checks = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        for name, (default, what_for) in NAMES.items():
            parser.add_argument(f"--{name}", default=default, help=f"{what_for} ({default})")
        parser.add_argument(
            "--grant",
            action="store_true",
            help="Prints nothing: as the owner, gives the roles their rights to the tables of this "
            "version. Where the database has none of the roles, that is all right.",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        names = [options[name] for name in NAMES]
        # PostgreSQL cuts off longer ones; and inside DO they stand in quotes of other kinds.
        if any(not name.isidentifier() or len(name) > 24 for name in names):
            raise CommandError("Names of roles have up to 24 letters, digits and underscores.")
        if len({*names}) < len(names):
            raise CommandError("Each role needs a name of its own: each has rights of its own.")
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_database(), current_schema()")
            database, schema = cursor.fetchone()
        roles = Roles(database, schema, *names)
        if options["grant"]:
            self._grant(roles)
        else:
            self.stdout.write(script(roles))

    def _grant(self, roles: Roles) -> None:
        served_as = [roles.webhook, roles.admin, roles.record]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [served_as])
            found = {name for (name,) in cursor.fetchall()}
            if not found:
                self.stdout.write("This database has none of the roles; there is nothing to give.")
                return
            if missing := [name for name in served_as if name not in found]:
                raise CommandError(
                    f"There is no role {', '.join(missing)}. Run what `manage.py database_roles` "
                    "prints as a superuser, or name the roles as they are called."
                )
            cursor.execute(rights(roles))
        self.stdout.write(f"{', '.join(served_as)} have their rights to the tables.")
