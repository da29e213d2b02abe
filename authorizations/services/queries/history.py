"""Finding changes in the history: newest first, page by page, by what they are about."""

from typing import Any

from django.contrib.postgres.search import SearchQuery
from django.db.models import BigIntegerField, Model, OuterRef, Q, QuerySet, Subquery
from django.db.models.fields.json import KeyTextTransform
from django.db.models.functions import Cast

from authorizations.models import HistoryEntry, PolicyVersion
from authorizations.models.history import SEPARATORS
from authorizations.rules.basics.folding import folded
from authorizations.services.queries.by_time import ByTime

KINDS = ("policy", "programdefaults", "cardgroup", "card", "cardholder", "user", "group")
"""What changes are listed under, by the names of the models."""

_PARTED = str.maketrans(dict.fromkeys(SEPARATORS, " "))


def with_contents(entries: QuerySet[HistoryEntry]) -> QuerySet[HistoryEntry]:
    """With what the versions of policies say that came into force, for `contents_of`."""
    return entries.annotate(
        content_before=_content_in_force("before"), content_after=_content_in_force("after")
    )


def contents_of(entry: Any) -> tuple[str | None, str | None]:
    """What a policy's version in force said before and after a change, one of `with_contents`."""
    return entry.content_before, entry.content_after


def _content_in_force(side: str) -> Subquery:
    version = Cast(KeyTextTransform("current_version_id", OuterRef(side)), BigIntegerField())
    return Subquery(PolicyVersion.objects.filter(pk=version).values("content"))


def entries_about(obj: Model) -> QuerySet[HistoryEntry]:
    """All changes of the object and of what belongs to it, newest first; `with_contents`."""
    about = f"{obj._meta.model_name}:{obj.pk}"  # noqa: SLF001
    return with_contents(HistoryEntry.objects.filter(names__has_key=about))


def is_id(term: str) -> bool:
    """Ids of cards and cardholders are searched for whole. Names too may have a low line."""
    return term.startswith(("ic_", "ich_"))


def searched(term: str) -> Q:
    """A whole id, or the beginnings of words: of names as they were then, and of who did it."""
    term = term.replace("\0", "")  # which PostgreSQL refuses
    by_id = Q(names__has_any_keys=[f"{kind}:{term}" for kind in KINDS])
    lexemes = [f"'{word}':*" for word in folded(term).translate(_PARTED).split()]
    if not lexemes or is_id(term):
        return by_id
    query = SearchQuery(" & ".join(lexemes), config="simple", search_type="raw")
    return by_id | Q(words=query)


def newest_first(rows: QuerySet[HistoryEntry]) -> ByTime:
    """Page by page, where an index finds the rows in the order of time."""
    return ByTime(rows, "changed_at", is_narrow=True)
