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
    "record": ("desk_record", "Runs commands that write Stripe's events or prove the record."),
}


class Command(BaseCommand):
    help = (
        "Prints SQL that creates the PostgreSQL roles a desk runs as, none of which can change the "
        "record, in one transaction. Run it in the desk's database, as a superuser or as the role "
        "with CREATEROLE that owns it, after the first `migrate`; then give each role a password "
        "(psql: \\password desk_webhook)."
    )
    requires_migrations_checks = True

    def add_arguments(self, parser: ArgumentParser) -> None:
        for name, (default, what_for) in NAMES.items():
            parser.add_argument(f"--{name}", default=default, help=f"{what_for} ({default})")
        parser.add_argument(
            "--grant",
            action="store_true",
            help="Instead of printing SQL, grant the roles their rights to the tables of this "
            "version, as the owner. Does nothing if the database has none of the roles.",
        )

    def handle(self, *_: Any, **options: Any) -> None:
        names = [options[name] for name in NAMES]
        # PostgreSQL cuts longer names, and inside DO the names are in different kinds of quotes.
        if any(not name.isidentifier() or len(name) > 24 for name in names):
            raise CommandError("Role names have up to 24 letters, digits and underscores.")
        if len({*names}) < len(names):
            raise CommandError("Each role needs a different name, as their rights are different.")
        with connection.cursor() as cursor:
            cursor.execute("SELECT current_database(), current_schema()")
            database, schema = cursor.fetchone()
        roles = Roles(database, schema, *names)
        if not options["grant"]:
            self.stdout.write(script(roles))
            return
        served_as = [roles.webhook, roles.admin, roles.record]
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute("SELECT rolname FROM pg_roles WHERE rolname = ANY(%s)", [served_as])
            found = {name for (name,) in cursor.fetchall()}
            if not found:
                self.stdout.write("This database has none of the roles: nothing to grant.")
                return
            if missing := [name for name in served_as if name not in found]:
                raise CommandError(
                    f"There is no role {', '.join(missing)}. Run what `manage.py database_roles` "
                    "prints as a superuser, or give the names of the roles as options."
                )
            cursor.execute(rights(roles))
        self.stdout.write(f"Granted {', '.join(served_as)} their rights to the tables.")
