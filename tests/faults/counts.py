"""What came of a fault: the clients' own log against the books.

Looked at once the fault is over and the spool is in the books. Django is set up by then.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.faults.shoppers import Metronome, Sent

PROMISED_MS = 900
SLACK_MS = 250
"""For two ways through this machine's scheduler, which is not the desk's; how long it let a thread
wait that had nothing to wait for comes on top."""

MOST_SHOWN = 3
KINDS = ("unanswered", "late", "lost", "doubled", "overspent")


@dataclass
class Counted:
    """One row of the table; the lists say what is wrong, and are empty."""

    name: str
    sent: int = 0
    answered: int = 0
    stood_in: int = 0
    worst_ms: float = 0.0
    worst_stall_ms: float = 0.0
    back_after_s: float = 0.0
    unanswered: list[str] = field(default_factory=list)
    late: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    overspent: list[str] = field(default_factory=list)

    @property
    def is_bad(self) -> bool:
        return any(getattr(self, kind) for kind in KINDS)

    def complaints(self) -> Iterable[str]:
        for kind in KINDS:
            found: list[str] = getattr(self, kind)
            yield from (f"{self.name}, {kind}: {what}" for what in found[:MOST_SHOWN])


def counted(
    name: str,
    log: list[Sent],
    metronome: Metronome,
    spool_dir: Path,
    *,
    answers_may_be_missing: bool,
    with_proofs: bool,
) -> Counted:
    """`answers_may_be_missing` where whoever would have answered was killed; `with_proofs` of the
    whole record, so also of what came before.
    """
    from django.db import connection

    from authorizations.services.host import spool_reader
    from tests.support.verification import contradictions, differences

    connection.close()  # the fault may have broken it
    row = Counted(name, len(log), sum(sent.is_answered for sent in log))
    answered = [sent for sent in log if sent.is_answered]
    row.stood_in = sum("stand_in" in sent.metadata for sent in answered)
    row.worst_ms = max((sent.elapsed_ms for sent in answered), default=0.0)
    _late(row, log, metronome, answers_may_be_missing=answers_may_be_missing)
    row.lost += [f"{sent.event_id} at {sent.began:.3f}: {sent.body}" for sent in missing(answered)]
    row.lost += [f"{path} was set aside" for path in spool_reader.damaged(spool_dir)]
    _doubled(row, log)
    if with_proofs:
        row.doubled += differences()
        row.doubled += contradictions()
    _overspent(row, log)
    return row


def _late(
    row: Counted, log: list[Sent], metronome: Metronome, *, answers_may_be_missing: bool
) -> None:
    for sent in log:
        ended = sent.began + sent.elapsed_ms / 1000
        stalled_ms = metronome.longest_ms(sent.began, ended)
        row.worst_stall_ms = max(row.worst_stall_ms, stalled_ms)
        if sent.is_refused_for_its_time:
            continue
        if not sent.is_answered:
            if not (answers_may_be_missing and sent.status == 0):
                row.unanswered.append(f"{sent.event_id}: {sent.status} {sent.body[:200]}")
        elif sent.elapsed_ms > PROMISED_MS + SLACK_MS + stalled_ms:
            row.late.append(f"{sent.event_id}: {sent.elapsed_ms:.0f} ms: {sent.body}")


def missing(log: list[Sent]) -> list[Sent]:
    """Answers that the database does not have."""
    from authorizations.models import WebhookRequest

    rows = WebhookRequest.objects.filter(event_id__in={sent.event_id for sent in log})
    kept = set(rows.values_list("event_id", "answer_body"))
    return [sent for sent in log if sent.is_answered and (sent.event_id, sent.body) not in kept]


def _doubled(row: Counted, log: list[Sent]) -> None:
    from authorizations.models import Authorization, Decision, LedgerEntry
    from authorizations.services.store import answers

    ids = {sent.authorization_id for sent in log}
    decisions = Decision.objects.filter(authorization_id__in=ids, supersedes="")
    took = LedgerEntry.objects.filter(authorization_id__in=ids, cause="hold")
    # Several answers may have been sent to one event, and stay on record beside each other.
    decided = {(it.authorization_id, answers.event_of(it.pk)) for it in decisions}
    booked = set(took.values_list("authorization_id", "event_id"))
    for pairs, what in ((decided, "decisions"), (booked, "holds")):
        many = Counter(key for key, _ in pairs)
        row.doubled += [f"{key}: {number} {what}" for key, number in many.items() if number > 1]
    counts = dict(Authorization.objects.filter(pk__in=ids).values_list("pk", "counted_amount"))
    for authorization_id, amounts in _answers(log).items():
        found = counts.get(authorization_id, 0)
        if found not in amounts:
            row.doubled.append(f"{authorization_id} counts {found}, answered {sorted(amounts)}")


def _answers(log: list[Sent]) -> dict[str, set[int]]:
    """What was answered for each authorization; of those that always got an answer."""
    found = defaultdict(set)
    for sent in log:
        if sent.is_answered:
            found[sent.authorization_id].add(sent.approved_amount)
    for sent in log:
        if not sent.is_answered:
            found.pop(sent.authorization_id, None)
    return found


def _overspent(row: Counted, log: list[Sent]) -> None:
    """Ordinary approvals over the limit, and stand-in's over its cap."""
    from authorizations.models import Decision, Finding, LedgerEntry
    from tests.faults.world import DAILY_LIMIT, STAND_IN_CAP

    cards = {sent.card_id for sent in log}
    decisions = Decision.objects.filter(card_id__in=cards, approved=True)
    stood_in = dict(decisions.exclude(stand_in="").values_list("pk", "approved_amount"))
    # Taken late, and told of: the answer was out.
    marked = set(
        Finding.objects.filter(card_id__in=cards, kind="limit_exceeded").values_list(
            "authorization_id", flat=True
        )
    )
    entries = LedgerEntry.objects.filter(authorization__card_id__in=cards).order_by("pk")
    spent: Counter[str] = Counter()
    for entry in entries.select_related("authorization"):
        card_id = entry.authorization.card_id
        spent[card_id] += entry.amount
        is_marked = entry.authorization_id in marked or entry.event_id in stood_in
        if entry.amount > 0 and spent[card_id] > DAILY_LIMIT and not is_marked:
            row.overspent.append(f"{card_id} has {spent[card_id]} with {entry.event_id}")
    # Of an event that came twice, whose second answer was written first, both are approvals.
    by_event = {
        (card_id, key.partition("/")[0]): amount
        for key, card_id, amount in decisions.exclude(stand_in="")
        .order_by("webhook_request_id")
        .values_list("pk", "card_id", "approved_amount")
    }
    taken: Counter[str] = Counter()
    for (card_id, _), amount in by_event.items():
        taken[str(card_id)] += amount
    row.overspent += [
        f"stand-in approved {amount} on {card_id}"
        for card_id, amount in taken.items()
        if amount > STAND_IN_CAP
    ]
