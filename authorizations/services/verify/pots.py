"""Checks pots against their entries, and decisions against what their pots had then.

The entries of a card are made again for its root once it turns out to replace another card.
"""

from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import cached_property
from itertools import accumulate
from typing import TypeAlias

from authorizations.models import Decision, FundEntry, PolicyVersion
from authorizations.rules.basics.controls import Interval, LimitControl
from authorizations.services.host.versions import controls_of
from authorizations.services.store.decision_row import UnreadableRowError, value_of
from authorizations.services.store.rows import PolicyRow
from authorizations.services.verify.checking import EXISTING, Checked, Difference, pieces, summaries

POTS = "pots"

_SIZE = 500
_APART = timedelta(minutes=1)
"""Around an entry, a decision may know of it or not: commits under way, and clocks."""

_Key: TypeAlias = tuple[int | None, str, str, str]
_Had: TypeAlias = tuple[int, int]
"""What a pot had, and since when its purchases count."""

NO_POT: _Had = (0, 0)

_SUMMED = """
SELECT pot.id, pot.scope, pot.limit_key, pot.amount, pot.since, entries.amount, entries.since
FROM (SELECT * FROM authorizations_potsum WHERE id > %s ORDER BY id LIMIT %s) AS pot
CROSS JOIN LATERAL (
    SELECT coalesce(sum(amount), 0)::bigint AS amount, min(counts_from) AS since
    FROM authorizations_fundentry AS entry
    WHERE (entry.scope, entry.policy_id, entry.limit_key, entry.currency)
        = (pot.scope, pot.policy_id, pot.limit_key, pot.currency)
) AS entries
ORDER BY pot.id
"""

_WITHOUT_POT = """
SELECT max(entry.id), array_agg(entry.id) FILTER (WHERE NOT EXISTS (
    SELECT FROM authorizations_potsum AS pot
    WHERE (entry.scope, entry.policy_id, entry.limit_key, entry.currency)
        = (pot.scope, pot.policy_id, pot.limit_key, pot.currency)
)), array_agg(entry.id) FILTER (WHERE card.root_id <> card.id AND NOT EXISTS (
    SELECT FROM authorizations_fundentry AS again
    WHERE again.scope = 'card:' || card.root_id
        AND (again.policy_id, again.limit_key, again.currency, again.amount, again.counts_from)
        = (entry.policy_id, entry.limit_key, entry.currency, entry.amount, entry.counts_from)
))
FROM (SELECT * FROM authorizations_fundentry WHERE id > %s ORDER BY id LIMIT %s) AS entry
LEFT JOIN authorizations_card AS card
    ON entry.scope LIKE 'card:%%' AND card.id = substr(entry.scope, length('card:') + 1)
"""


def verify_pots() -> Iterator[Checked]:
    """Check that each pot is the sum of its entries, and that each entry has its pot and root."""
    for rows in pieces(_SUMMED, 0, _SIZE):
        found = []
        for id_, scope, key, amount, since, entered, counts_from in rows:
            where = f"pot {id_} ({key} of {scope})"
            if amount != entered:
                found.append(Difference(where, "amount", amount, entered))
            if since != counts_from:
                found.append(Difference(where, "since", since, counts_from))
        yield Checked(POTS, len(rows), found)
    for _, without_pot, off_root in summaries(_WITHOUT_POT, 0, _SIZE):
        found = [
            Difference(f"entry of funds {id_}", what, "none", EXISTING)
            for what, ids in (("pot", without_pot), ("its like at the root", off_root))
            for id_ in ids or ()
        ]
        if found:
            yield Checked(POTS, 0, found)


class Funds:
    """All entries of funds, read when they are first asked for."""

    def differences(self, row: Decision) -> Iterator[Difference]:
        """The pots of a decision that had something else when it was made, or are not named."""
        if not self._steps or row.stand_in:
            return
        try:
            policies: list[PolicyRow] = value_of(list[PolicyRow], row.policies, "policies")
        except UnreadableRowError as problem:
            yield Difference(row.pk, problem.what, problem.kept, problem.found)
            return
        versions = controls_of(policy.version for policy in policies)
        for policy in policies:
            if policy.version not in versions:
                continue  # others say so
            named = {(pot.limit, pot.currency): (pot.amount, pot.since) for pot in policy.pots}
            _, controls = versions[policy.version]
            for limit in controls.spending_limits:
                if limit.interval is not Interval.FUNDS:
                    continue
                found = named.get((limit.key, limit.currency), NO_POT)
                possible = self._possible(policy, limit, row.decided_at)
                if found not in possible:
                    what = f"pot {limit.key} of {policy.measured}"
                    expected = " or ".join(map(str, sorted(possible)))
                    yield Difference(row.pk, what, found, expected)

    def _possible(self, policy: PolicyRow, limit: LimitControl, at: datetime) -> set[_Had]:
        """What the pot had around this time, and since when its purchases count."""
        policy_id = self._policy_of.get(policy.version)
        steps = self._steps.get((policy_id, policy.measured, limit.key, limit.currency), [])
        before = [NO_POT, *(had for entered_at, had in steps if entered_at <= at - _APART)]
        return {before[-1], *(had for entered_at, had in steps if abs(entered_at - at) < _APART)}

    @cached_property
    def _policy_of(self) -> dict[int, int]:
        return dict(PolicyVersion.objects.values_list("pk", "policy_id"))

    @cached_property
    def _steps(self) -> dict[_Key, list[tuple[datetime, _Had]]]:
        """What each pot had after each of its entries."""
        entries: dict[_Key, list[FundEntry]] = defaultdict(list)
        for entry in FundEntry.objects.order_by("entered_at", "pk"):
            key: _Key = (entry.policy_id, entry.scope, entry.limit_key, entry.currency)
            entries[key].append(entry)
        found = {}
        for key, those in entries.items():
            sums = accumulate(entry.amount for entry in those)
            since = accumulate((entry.counts_from for entry in those), min)
            times = (entry.entered_at for entry in those)
            found[key] = [*zip(times, zip(sums, since, strict=True), strict=True)]
        return found
