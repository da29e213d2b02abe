"""Policy versions as frozen values, cached by id.

A version never changes, so nothing goes stale.
"""

import json
from collections.abc import Callable, Iterable
from threading import Lock
from typing import TypeAlias

from authorizations.models import PolicyVersion
from authorizations.rules.basics.filters import MATCHING
from authorizations.rules.decision.controls import SpendingControls
from authorizations.rules.policy.document import controls

CACHED = 4096
"""Maximum versions kept by a process; the first read go first."""

_cache: dict[tuple[int, int], tuple[int, SpendingControls]] = {}
"""By version and by the rule that merchants are matched by."""
_lock = Lock()


Reader: TypeAlias = Callable[[Iterable[int]], Iterable[tuple[int, int, str]]]
"""Id, number and content of the versions with these ids, as far as they are there."""


def from_database(version_ids: Iterable[int]) -> Iterable[tuple[int, int, str]]:
    """The usual Reader."""
    rows = PolicyVersion.objects.filter(pk__in=version_ids)
    return rows.values_list("pk", "number", "content")


def controls_of(
    version_ids: Iterable[int], read: Reader = from_database, matching: int = MATCHING
) -> dict[int, tuple[int, SpendingControls]]:
    """Number and controls of each version, by its id; unknown ids are left out.

    ValueError for a `matching` that is unknown here.
    """
    wanted = set(version_ids)
    known = {id_: _cache[id_, matching] for id_ in wanted if (id_, matching) in _cache}
    if missing := wanted - known.keys():
        loaded = {
            id_: (number, controls(json.loads(content), matching))
            for id_, number, content in read(missing)
        }
        _keep(loaded, matching)
        known |= loaded
    return known


def _keep(loaded: dict[int, tuple[int, SpendingControls]], matching: int) -> None:
    with _lock:
        _cache.update({(id_, matching): found for id_, found in loaded.items()})
        while len(_cache) > CACHED:
            _cache.pop(next(iter(_cache)))
