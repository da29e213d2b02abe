"""Model fields that Django does not have."""

from typing import TYPE_CHECKING, Any, TypeAlias

from django.db import models

from authorizations.rules.basics import card_numbers


class WrittenJSONField(models.JSONField):
    """JSON that is stored as text and always read as a whole: PostgreSQL's `json`.

    `jsonb` parses a value when it is written and formats it when it is read, which took PostgreSQL
    most of the time when whole tables were checked. Columns that are searched are `jsonb`.
    """

    def db_type(self, connection: Any) -> str:  # noqa: ARG002 - Django's signature
        return "json"

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:  # noqa: ARG002
        """The value unchanged: unlike `jsonb`, psycopg has parsed it already."""
        return value


class _Masked:
    """Masks card numbers in a text field, whether it is set by a form, a save or an update.

    To the database and in migrations, it is Django's own field.
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
