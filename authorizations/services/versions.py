"""Policy versions as frozen values, cached by id.

A version never changes, so nothing goes stale.
"""

import json
from collections.abc import Callable, Iterable
from threading import Lock
from typing import TypeAlias

from authorizations.models import PolicyVersion
from authorizations.rules.controls import SpendingControls
from authorizations.rules.document import controls

_CACHED = 4096
_cache: dict[int, tuple[int, SpendingControls]] = {}
_lock = Lock()


Reader: TypeAlias = Callable[[Iterable[int]], Iterable[tuple[int, int, str]]]
"""Id, number and content of the versions with these ids, as far as they are there."""


def from_database(version_ids: Iterable[int]) -> Iterable[tuple[int, int, str]]:
    """The usual Reader."""
    rows = PolicyVersion.objects.filter(pk__in=version_ids)
    return rows.values_list("pk", "number", "content")


def controls_of(
    version_ids: Iterable[int], read: Reader = from_database
) -> dict[int, tuple[int, SpendingControls]]:
    """Number and controls of each version, by its id; unknown ids are left out."""
    wanted = set(version_ids)
    known = {id_: _cache[id_] for id_ in wanted if id_ in _cache}
    if missing := wanted - known.keys():
        loaded = {
            id_: (number, controls(json.loads(content))) for id_, number, content in read(missing)
        }
        _keep(loaded)
        known |= loaded
    return known


def _keep(loaded: dict[int, tuple[int, SpendingControls]]) -> None:
    with _lock:
        _cache.update(loaded)
        while len(_cache) > _CACHED:
            _cache.pop(next(iter(_cache)))
