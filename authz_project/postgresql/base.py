"""The backend: Django's, but that a connection without a pool is of the same kind as one with."""

from typing import Any

from django.db.backends.postgresql import base
from psycopg import IsolationLevel

from authz_project.deadline import DeadlineConnection


class DatabaseWrapper(base.DatabaseWrapper):
    """Settings as for Django's own."""

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        if self.pool is not None:
            return super().get_new_connection(conn_params)
        self.isolation_level = IsolationLevel.READ_COMMITTED  # PostgreSQL's own
        return DeadlineConnection.connect(**conn_params)
