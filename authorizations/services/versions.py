"""Policy versions as frozen values, cached by id.

A version never changes, so nothing goes stale.
"""

import json
from collections.abc import Iterable
from threading import Lock

from authorizations.models import PolicyVersion
from authorizations.rules.controls import SpendingControls
from authorizations.rules.document import controls

_CACHED = 4096
_cache: dict[int, tuple[int, SpendingControls]] = {}
_lock = Lock()


def controls_of(version_ids: Iterable[int]) -> dict[int, tuple[int, SpendingControls]]:
    """Number and controls of each version, by its id; unknown ids are left out."""
    wanted = set(version_ids)
    known = {id_: _cache[id_] for id_ in wanted if id_ in _cache}
    if missing := wanted - known.keys():
        rows = PolicyVersion.objects.filter(pk__in=missing).values_list("pk", "number", "content")
        loaded = {pk: (number, controls(json.loads(content))) for pk, number, content in rows}
        _keep(loaded)
        known |= loaded
    return known


def _keep(loaded: dict[int, tuple[int, SpendingControls]]) -> None:
    with _lock:
        _cache.update(loaded)
        while len(_cache) > _CACHED:
            _cache.pop(next(iter(_cache)))
