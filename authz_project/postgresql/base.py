"""Django's PostgreSQL backend, with connections that keep deadlines without a pool as well."""

from typing import Any

from django.db.backends.postgresql import base
from psycopg import IsolationLevel

from authz_project.deadline import DeadlineConnection


class DatabaseWrapper(base.DatabaseWrapper):
    """Has the same settings as Django's own."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if self.pool is not None:
            return super().get_new_connection(conn_params)
        self.isolation_level = IsolationLevel.READ_COMMITTED  # PostgreSQL's own
        return DeadlineConnection.connect(**conn_params)
