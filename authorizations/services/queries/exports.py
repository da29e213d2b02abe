"""Exports: a list goes out as a file, some hundred rows at a time, and that it did is on record.

No transaction is open while the file is on its way, however slowly it is read: a snapshot held
open would make cards that pay often slow.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Self

from django.contrib.auth.models import User
from django.db import DatabaseError
from django.utils import timezone

from authorizations.models import Export, ExportEnd
from authorizations.services.queries.export_formats import Columns, Csv, Format, JsonLines

logger = logging.getLogger(__name__)

FORMATS: dict[str, Format] = {Export.Format.CSV: Csv(), Export.Format.JSON_LINES: JsonLines()}


class Outgoing:
    """The bytes of an export, in parts. However it ends, the end is on record: `close` it."""

    def __init__(self, export: Export, columns: Columns, chunks: Iterable[Sequence[Any]]) -> None:
        self._export = export
        self._parts = self._make(columns, chunks)
        self._rows = self._going = 0
        self._is_over = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        # Whoever asks for the next part has got the last one.
        self._rows += self._going
        self._going = 0
        try:
            return next(self._parts)
        except StopIteration:
            self._end(complete=True)
            raise

    def close(self) -> None:
        """The reader has all of it, or went away, or a part could not be made."""
        self._end(complete=False)

    def _make(self, columns: Columns, chunks: Iterable[Sequence[Any]]) -> Iterator[bytes]:
        kind = FORMATS[self._export.format]
        yield kind.head(columns)
        for rows in chunks:
            part = kind.part(columns, rows)
            self._going = len(rows)
            yield part

    def _end(self, *, complete: bool) -> None:
        if self._is_over:
            return
        self._is_over = True
        try:
            ExportEnd.objects.create(
                export=self._export, ended_at=timezone.now(), rows=self._rows, complete=complete
            )
        except DatabaseError:  # perhaps why it ended; the record then shows no end
            logger.exception("The end of export %s could not be recorded.", self._export.pk)


def start(
    columns: Columns, chunks: Iterable[Sequence[Any]], *, by: User, **details: str
) -> Outgoing:
    """Record that an export begins; its rows are read as its parts are asked for.

    `details` are the record's `what`, `format`, `query` and `filter`.
    """
    export = Export.objects.create(author=by, started_at=timezone.now(), **details)
    return Outgoing(export, columns, chunks)
