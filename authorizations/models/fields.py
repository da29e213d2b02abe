"""Columns that Django has no field for."""

from typing import TYPE_CHECKING, Any, TypeAlias

from django.db import models

from authorizations.rules.basics import card_numbers


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


class _Masked:
    """Masks card numbers in a text field, on each way into the database: forms, saves, updates.

    Only what Python sees changes: to the database and its migrations it is Django's own field.
    """

    def clean(self, value: Any, model_instance: models.Model | None) -> Any:
        return _without_card_numbers(super().clean(value, model_instance))  # type: ignore[misc]

    def pre_save(self, model_instance: models.Model, add: bool) -> Any:  # noqa: FBT001 - Django's
        value = _without_card_numbers(super().pre_save(model_instance, add))  # type: ignore[misc]
        setattr(model_instance, self.attname, value)  # type: ignore[attr-defined]
        return value

    def get_prep_value(self, value: Any) -> Any:
        return _without_card_numbers(super().get_prep_value(value))  # type: ignore[misc]

    def deconstruct(self) -> Any:
        name, _, *rest = super().deconstruct()  # type: ignore[misc]
        return name, f"django.db.models.{type(self).__name__.removeprefix('Typed')}", *rest


if TYPE_CHECKING:
    _Char: TypeAlias = models.CharField[str, str]
    _Text: TypeAlias = models.TextField[str, str]
else:  # without parameters at run time
    _Char, _Text = models.CharField, models.TextField


class TypedCharField(_Masked, _Char):
    """A line that people type: names, reasons, notes."""


class TypedTextField(_Masked, _Text):
    """Longer text that people type."""


def _without_card_numbers(value: Any) -> Any:
    return card_numbers.mask_text(value) if isinstance(value, str) else value
