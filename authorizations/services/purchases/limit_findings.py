"""Findings about limits that were exceeded by changes that could not be declined.

A finding has the windows in which a limit was exceeded, and the policy version of the limit. Each
later event on a purchase in one of these windows checks the finding again; a decision does so only
if its request reports that less counts. The finding is gone once no limit is exceeded any more, or
the purchase counts nothing. A later edit of the policy or the end of a window doesn't change it.
"""

import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from django.contrib.auth.models import User
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Concat

from authorizations.models import (
    Authorization,
    Card,
    Decision,
    ExceptionUse,
    Finding,
    FindingChange,
    FindingWindow,
    PolicyVersion,
)
from authorizations.models import Usage as UsageRow
from authorizations.rules.basics.controls import (
    JANUARY_1,
    Interval,
    Scope,
    ScopeKind,
    each_of,
    scope_key,
    scope_of,
)
from authorizations.rules.basics.words import figure_words, through_words
from authorizations.rules.decision.controls import AppliedControls, SpendingControls
from authorizations.rules.decision.limits import unasked_figures
from authorizations.rules.decision.values import Check, LimitFigures, Window, WindowUsage
from authorizations.rules.decision.windows import limit_concerns, limit_window
from authorizations.rules.policy.document import filter_of
from authorizations.rules.purchases.counted import CountedUsage
from authorizations.rules.purchases.events import PurchaseEvent
from authorizations.rules.wording import findings as rules
from authorizations.rules.wording.findings import FindingKind
from authorizations.rules.wording.sentences import limit_words
from authorizations.services.host.versions import controls_of
from authorizations.services.purchases.linking import event_for, merchant_of
from authorizations.services.runtime import codec
from authorizations.services.store import findings, window_sums
from authorizations.services.store.lookup import scopes_of
from authorizations.services.store.plans import drive
from authorizations.services.store.window_sums import Asked

_DONE = "It is counted: the limits decline until they have room again."


class _Exceeded(NamedTuple):
    """An exceeded limit; `name` is its policy's, `own` is the purchase's part of the usage.

    `let_through` is how much of what exceeds it operators have let through by exceptions.
    """

    name: str
    figures: LimitFigures
    own: int
    let_through: int = 0

    @property
    def over(self) -> int:
        return self.figures.exceeded_by - self.let_through

    @property
    def at_stake(self) -> int:
        return min(self.over, self.own) if self.figures.currency else 0

    @property
    def words(self) -> str:
        """ "Policy Travel (card): Monthly limit of €500.00 is exceeded by €20.00." """
        figures = self.figures
        over = figure_words(self.over, figures.currency) if figures.currency else self.over
        beside = " beside what exceptions let through" if self.let_through else ""
        return f"Policy {self.name}: {limit_words(figures)} is exceeded by {over}{beside}."


def exceeds(
    event: PurchaseEvent,
    applied: Iterable[AppliedControls],
    usage: Mapping[Window, WindowUsage],
    change: CountedUsage,
) -> bool:
    """Whether `note` would record a finding, or has to look which exceptions there are."""
    return bool(_exceeded_by(event, applied, usage, change))


def note(
    event: PurchaseEvent,
    applied: Iterable[AppliedControls],
    usage: Mapping[Window, WindowUsage],
    change: CountedUsage,
) -> None:
    """Record a finding if a change that could not be declined exceeds limits now in force."""
    candidates = _exceeded_by(event, applied, usage, change)
    found = [
        (exceeded._replace(let_through=let_through), kept)
        for exceeded, kept in candidates
        if exceeded.figures.exceeded_by > (let_through := _let_through(kept))
    ]
    if not found:
        return
    row = findings.say(event, _finding([exceeded for exceeded, _ in found]))
    existing = {_what_limit(kept) for kept in row.windows.all()}
    new = [kept for _, kept in found if _what_limit(kept) not in existing]
    for kept in new:
        kept.finding = row
    FindingWindow.objects.bulk_create(new)


def _exceeded_by(
    event: PurchaseEvent,
    applied: Iterable[AppliedControls],
    usage: Mapping[Window, WindowUsage],
    change: CountedUsage,
) -> list[tuple[_Exceeded, FindingWindow]]:
    """The limits that a change exceeds, each with its window."""
    if change.amount <= 0 and change.count <= 0:
        return []
    found: list[tuple[_Exceeded, FindingWindow]] = []
    now = max(int(time.time()), event.event_created, event.created)
    for policy in applied:
        for limit in policy.controls.spending_limits:
            if not limit.has_window or not limit_concerns(limit, event):
                continue
            if limit.interval is Interval.FUNDS:
                continue  # what is left says so itself, and more may be added
            window = limit_window(limit, policy, event.created)
            if window not in usage:  # a request for nothing measures nothing
                continue
            figures = unasked_figures(limit, policy, event.created, usage)
            if figures.exceeded_by <= 0:
                continue
            name = _name(policy.controls, policy.scope, policy.measured)
            kept = FindingWindow(
                version_id=policy.version_id,
                scope=scope_key(policy.scope),
                measured=scope_key(policy.measured),
                window_start=window.start,
                # A rolling window has no end; later purchases don't concern this finding.
                window_end=now + 1 if window.rolling else window.end,
                figures=figures._asdict(),
            )
            found.append((_Exceeded(name, figures, max(change.amount, 0)), kept))
    return found


def _name(controls: SpendingControls, scope: Scope, measured: Scope) -> str:
    """ "Travel (card)", "Team (group, each cardholder's own in this group)"."""
    return f"{controls.name} ({through_words(scope.kind, each_of(scope, measured))})"


def look_again(
    event: PurchaseEvent, scopes: Sequence[str], *, sinks: bool = True, by: User | None = None
) -> None:
    """Check the findings in a purchase's windows again after the purchase changed.

    `scopes` are the keys of the scopes whose usage it counts in, the card's first. `sinks`: it
    counts for less than before. `by` is the user who changed it, if no event did.
    """
    found = _around(event, scopes)
    if not found:
        return
    # An event of a different card may check the same finding at the same time.
    rows = Finding.objects.select_for_update(no_key=True).filter(pk__in=found).order_by("pk")
    for row in rows:
        if row.state == Finding.State.GONE:
            continue
        exceeded = _still_exceeded(row)
        if exceeded is None:
            continue
        if not exceeded:
            findings.change(row, FindingChange.What.GONE, event.event_id, by=by)
        elif sinks and (figures := _finding(exceeded)).description != row.description:
            amount = min(figures.amount, row.amount)
            figures = figures._replace(amount=amount)
            findings.change(row, FindingChange.What.FIGURES, event.event_id, figures, by=by)


def look_again_where(left: Sequence[Authorization], event: PurchaseEvent) -> None:
    """As `look_again`, for the purchases that transactions were moved from by `event`."""
    keys = {key for row in left for key in scopes_of(row).usage_keys}
    if left and _not_gone(keys, {row.root_id for row in left}).exists():
        for row in left:
            its = event_for(row, event.event_id, event.event_created)
            look_again(its, scopes_of(row).usage_keys)


def is_sinking(change: CountedUsage) -> bool:
    """Whether some limit counts less than before."""
    parts = (change.amount, change.cash, -change.refunded, change.count, change.cash_count)
    return min(parts) < 0


def figures_of(window: FindingWindow) -> LimitFigures:
    """The figures of the limit when it was exceeded."""
    found: dict[str, Any] = window.figures
    month, day = found.get("begins", JANUARY_1)
    return LimitFigures(**found | {"interval": Interval(found["interval"]), "begins": (month, day)})


def _what_limit(window: FindingWindow) -> tuple[object, ...]:
    figures = figures_of(window)
    bounds = (window.window_start, 0 if figures.interval is Interval.ROLLING else window.window_end)
    limit = (figures.interval, figures.limit, figures.currency, figures.filter)
    return (window.version_id, window.scope, window.measured, *bounds, *limit)


def _finding(exceeded: Sequence[_Exceeded]) -> rules.FindingWords:
    amount = max(one.at_stake for one in exceeded)
    sentences = " ".join(one.words for one in exceeded)
    return rules.FindingWords(FindingKind.LIMIT_EXCEEDED, "", amount, sentences, _DONE)


def _around(event: PurchaseEvent, scopes: Sequence[str]) -> list[int]:
    """Ids of the findings, except gone ones, whose windows contain the purchase."""
    windows = _not_gone(scopes, [scopes[0].partition(":")[2]]).filter(
        window_end__gt=event.created, window_start__lte=event.created
    )
    return list(windows.values_list("finding", flat=True).distinct().order_by("finding"))


def _not_gone(scopes: Iterable[str], root_ids: Iterable[str]) -> QuerySet[FindingWindow]:
    """The findings' windows in these scopes and of replaced cards, except those of gone ones."""
    chain = Card.objects.filter(root__in=list(root_ids)).annotate(key=Concat(Value("card:"), "pk"))
    windows = FindingWindow.objects.filter(
        Q(measured__in=list(scopes)) | Q(measured__in=chain.values("key"))
    )
    return windows.exclude(finding__state=Finding.State.GONE)


def _still_exceeded(row: Finding) -> list[_Exceeded] | None:
    """The limits of a finding that are still exceeded; None if that takes too long to find out."""
    purchase = Authorization.objects.get(pk=row.authorization_id)
    counted = _counted_of(purchase)
    merchant = merchant_of(purchase)
    exceeded = []
    for kept in row.windows.all():
        figures = figures_of(kept)
        concern = filter_of(figures.filter)
        _, controls = controls_of([kept.version_id])[kept.version_id]
        used = _used(kept, figures)
        if used is None:
            return None
        amounts = [
            count if not figures.currency else amount - refunded * controls.refunds_restore
            for amount, refunded, count in (used, counted.seen_by(concern, merchant))
        ]
        figures, own = figures._replace(used=amounts[0]), amounts[1]
        if figures.exceeded_by > 0 and own > 0:
            name = _name(controls, scope_of(kept.scope), scope_of(kept.measured))
            found = _Exceeded(name, figures, own, _let_through(kept))
            exceeded += [found] if found.over > 0 else []
    return exceeded


def _let_through(kept: FindingWindow) -> int:
    """How much of what counts in a limit's window exceeded it by exceptions, and still counts.

    The limit is of the policy, in whatever version and by whatever name that was asked.
    """
    limit, total = _same_limit(figures_of(kept)), 0
    concern = filter_of(limit.filter)
    uses = ExceptionUse.objects.filter(scopes__contains=[scope_key(_measured(kept))])
    found = list(uses.select_related("decision__authorization"))
    if not found:
        return 0
    versions = PolicyVersion.objects.filter(policy__versions=kept.version_id)
    its = set(versions.values_list("pk", flat=True))
    scope = scope_of(kept.scope)
    whose = (scope.kind, each_of(scope, scope_of(kept.measured)))
    for use in found:
        purchase = use.decision.authorization
        if purchase is None or not _is_within(kept, int(purchase.created.timestamp())):
            continue
        amount, _, count = _counted_of(purchase).seen_by(concern, merchant_of(purchase))
        own = amount if limit.currency else count
        for check in _failed_limits(use.decision):
            figures = check.figures
            if check.version_id not in its or check.scope is None:
                continue
            if (check.scope.kind, check.each) != whose:
                continue
            if figures and _same_limit(figures) == limit:
                total += min(figures.exceeded_by, figures.asked, own)
    return total


def _failed_limits(decision: Decision) -> list[Check]:
    """The limits on usage that an exception waived; none of a trace that can't be read."""
    try:
        trace = codec.trace(decision.trace)
    except codec.DAMAGED:
        return []
    failed = (check for check in trace if not check.passed)
    return [check for check in failed if check.figures and not check.figures.of_attempts]


def _same_limit(figures: LimitFigures) -> LimitFigures:
    """What two limits of one scope with the same usage have in common, whatever they allow."""
    return LimitFigures(
        interval=figures.interval,
        limit=0,
        used=0,
        asked=0,
        currency=figures.currency,
        time_zone=figures.time_zone,
        rolling_seconds=figures.rolling_seconds,
        filter=figures.filter,
        cash_only=figures.cash_only,
        begins=figures.begins,
    )


def _is_within(kept: FindingWindow, created: int) -> bool:
    is_rolling = figures_of(kept).interval is Interval.ROLLING
    return kept.window_start <= created and (is_rolling or created < kept.window_end)


def _counted_of(purchase: Authorization) -> CountedUsage:
    return CountedUsage(
        purchase.counted_amount,
        purchase.counted_cash,
        purchase.refunded_amount,
        purchase.count,
        purchase.cash_count,
    )


def _measured(kept: FindingWindow) -> Scope:
    """Whose usage it is; a card may have been replaced since."""
    measured = scope_of(kept.measured)
    if measured.kind is ScopeKind.CARD:
        return Scope(ScopeKind.CARD, Card.objects.get(pk=measured.id).root_id)
    return measured


def _used(kept: FindingWindow, figures: LimitFigures) -> tuple[int, int, int] | None:
    """Amount, refunds and count in the window; None if it is still being counted."""
    measured, concern = _measured(kept), filter_of(figures.filter)
    rolling = figures.interval is Interval.ROLLING
    bounds = (kept.window_start, kept.window_end)
    window = Window(measured, *bounds, concern.key, figures.currency, rolling)
    remembered = UsageRow.objects.filter(
        scope=scope_key(measured),
        piece_seconds=0,
        window_start=kept.window_start,
        window_end=kept.window_end,
        filter_key=concern.key,
        currency=figures.currency,
    ).first()
    if remembered:
        return remembered.amount, remembered.refunded_amount, remembered.count
    [found] = drive(window_sums.reckon([Asked(window, concern, has_pieces=True)]))
    return found.used
