"""Exports a list as a file, some hundred rows at a time, and records that it did.

Each part is a heavy read of its own, which waits for its turn. While a part is sent, even to a slow
reader, others have theirs, and no connection is in use and no transaction open: an open snapshot
would slow down cards that pay often.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

from django.contrib.auth.models import User
from django.db import DatabaseError
from django.utils import timezone

from authorizations.models import Export, ExportEnd
from authorizations.services.host import heavy_reads
from authorizations.services.queries.export_formats import Columns, Csv, Format, JsonLines

logger = logging.getLogger(__name__)

WAIT_S = 50.0
"""How long a part waits for its turn: less than the proxy waits for the next bytes."""

FORMATS: dict[str, Format] = {Export.Format.CSV: Csv(), Export.Format.JSON_LINES: JsonLines()}


class Outgoing:
    """The bytes of an export, in parts. Close it, so that its end is recorded in any case."""

    def __init__(self, export: Export, columns: Columns, chunks: Iterable[Sequence[Any]]) -> None:
        self._export = export
        self._parts = self._make(columns, chunks)
        self._rows = self._rows_in_part = 0
        self._is_over = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        # A reader that asks for the next part has received the last one.
        self._rows += self._rows_in_part
        self._rows_in_part = 0
        try:
            with heavy_reads.turn(WAIT_S):
                return next(self._parts)
        except StopIteration:
            self._end(complete=True)
            raise

    def close(self) -> None:
        """End the export: the reader has all of it, or left, or a part could not be made."""
        self._end(complete=False)

    def _make(self, columns: Columns, chunks: Iterable[Sequence[Any]]) -> Iterator[bytes]:
        kind = FORMATS[self._export.format]
        yield kind.head(columns)
        for rows in chunks:
            part = kind.part(columns, rows)
            self._rows_in_part = len(rows)
            yield part

    def _end(self, *, complete: bool) -> None:
        if self._is_over:
            return
        self._is_over = True
        try:
            ExportEnd.objects.create(
                export=self._export, ended_at=timezone.now(), rows=self._rows, complete=complete
            )
        except DatabaseError:  # perhaps the reason for its end; the record then shows no end
            logger.exception("The end of export %s could not be recorded.", self._export.pk)


def start(
    columns: Columns, chunks: Iterable[Sequence[Any]], *, by: User, **details: str
) -> Outgoing:
    """Record that an export begins. Rows are read as the parts are requested.

    `details` are the record's `what`, `format`, `query` and `filter`.
    """
    export = Export.objects.create(author=by, started_at=timezone.now(), **details)
    return Outgoing(export, columns, chunks)
