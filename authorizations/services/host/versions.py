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
"""Maximum versions cached by a process; the oldest are dropped first."""

_cache: dict[tuple[int, int], tuple[int, SpendingControls]] = {}
"""Number and controls, by version id and matching rule for merchants."""
_lock = Lock()


Reader: TypeAlias = Callable[[Iterable[int]], Iterable[tuple[int, int, str]]]
"""Returns id, number and content of those versions with these ids that exist."""


def from_database(version_ids: Iterable[int]) -> Iterable[tuple[int, int, str]]:
    """The Reader that queries the database."""
    rows = PolicyVersion.objects.filter(pk__in=version_ids)
    return rows.values_list("pk", "number", "content")


def controls_of(
    version_ids: Iterable[int], read: Reader = from_database, matching: int = MATCHING
) -> dict[int, tuple[int, SpendingControls]]:
    """Number and controls of each version, by its id; unknown ids are left out.

    `matching` is the version of the rule that merchants are matched by. Raises ValueError if this
    program does not know it.
    """
    wanted = set(version_ids)
    found = {id_: _cache[id_, matching] for id_ in wanted if (id_, matching) in _cache}
    if missing := wanted - found.keys():
        found |= _keep(read(missing), matching)
    return found


def uncached(version_ids: Iterable[int]) -> list[int]:
    """Those of these versions that this process has to read."""
    return [id_ for id_ in set(version_ids) if (id_, MATCHING) not in _cache]


def _keep(
    read: Iterable[tuple[int, int, str]], matching: int
) -> dict[int, tuple[int, SpendingControls]]:
    loaded = {
        id_: (number, controls(json.loads(content), matching)) for id_, number, content in read
    }
    with _lock:
        _cache.update({(id_, matching): version for id_, version in loaded.items()})
        while len(_cache) > CACHED:
            _cache.pop(next(iter(_cache)))
    return loaded
