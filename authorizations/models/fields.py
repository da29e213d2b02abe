"""Columns that Django has no field for."""

from typing import Any

from django.db import models


class WrittenJSONField(models.JSONField):
    """JSON that is kept as it was written, and always read as a whole: PostgreSQL's `json`.

    `jsonb` takes a value apart when it is written and writes it anew when it is read, which took
    PostgreSQL most of its time where whole tables are checked. What is searched stays `jsonb`.
    """

    def db_type(self, connection: Any) -> str:  # noqa: ARG002 - Django's signature
        return "json"

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:  # noqa: ARG002
        """As it is: unlike `jsonb`, Django lets psycopg read this type itself."""
        return value
