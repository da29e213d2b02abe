"""Typed rows have their tables' columns: JSON that lacks one would only fail in production."""

import msgspec
import pytest
from django.db import models

from authorizations.models import (
    Authorization,
    Decision,
    ExceptionUse,
    LedgerEntry,
    Transaction,
    Usage,
    WebhookRequest,
)
from authorizations.services.store import rows, write_statements
from authorizations.services.store.usage import Remembered


def columns(table: type[models.Model], *, drawn: set[str]) -> set[str]:
    """Of a table, but for those that the database draws or that travel otherwise."""
    found = {field.column for field in table._meta.concrete_fields if field.column}
    assert drawn <= found
    return found - drawn


@pytest.mark.parametrize(
    ("row", "table", "drawn"),
    [
        (rows.RequestRow, WebhookRequest, {"id", "body"}),
        (rows.DecisionRow, Decision, set()),
        (rows.AuthorizationRow, Authorization, set()),
        (rows.LedgerEntryRow, LedgerEntry, set()),
        (rows.TransactionRow, Transaction, set()),
        (rows.ExceptionUseRow, ExceptionUse, set()),
    ],
)
def test_a_row_has_exactly_the_columns_of_its_table(
    row: type[msgspec.Struct], table: type[models.Model], drawn: set[str]
) -> None:
    assert set(row.__struct_fields__) == columns(table, drawn=drawn)


def test_a_usage_row_has_exactly_the_columns_of_its_table() -> None:
    assert set(Remembered.__struct_fields__) == columns(Usage, drawn=set())


@pytest.mark.parametrize("row", [rows.RequestRow, rows.LedgerEntryRow, rows.DecisionRow])
@pytest.mark.parametrize("statement", [write_statements.WRITE])
def test_a_statement_that_names_the_columns_names_all(
    row: type[msgspec.Struct], statement: str
) -> None:
    assert [name for name in row.__struct_fields__ if name not in statement] == []


def test_what_changes_in_the_life_of_an_authorization_is_what_is_updated() -> None:
    changing = [f"{name} = excluded.{name}" for name in rows.StateColumns.__annotations__]
    assert [clause for clause in changing if clause not in write_statements.WRITE] == []
    changing = [f"{name} = changed.{name}" for name in rows.StateColumns.__annotations__]
    assert [clause for clause in changing if clause not in write_statements.WRITE_BOOKS] == []
