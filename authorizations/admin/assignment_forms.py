"""Where a policy is assigned: each row names exactly one scope, and each scope once."""

from typing import Any

from authorizations.admin.base import InlineFormSet
from authorizations.models import Assignment, Card, Policy
from authorizations.services import locks


class AssignmentFormSet(InlineFormSet[Assignment, Policy, Any]):
    """`moved` are the cards chosen whose root was taken instead."""

    moved: list[Card]

    def clean(self) -> None:
        super().clean()
        self.moved = []
        rows = [form for form in self.forms if self._is_kept(form)]
        self._take_roots([row.instance for row in rows if row.has_changed()])
        self._refuse_twins(rows)

    def _is_kept(self, form: Any) -> bool:
        return bool(form.cleaned_data) and not form.cleaned_data.get("DELETE")

    def _take_roots(self, assignments: list[Assignment]) -> None:
        """A replacement card has no policies of its own: they belong to its chain's first card."""
        chosen = [it.card_id for it in assignments if it.card_id]
        # From here to the end of the request no chain of these cards can change.
        locks.hold(cards=chosen)
        cards = Card.objects.in_bulk(chosen)
        for assignment in assignments:
            card = cards.get(assignment.card_id or "")
            if card and card.root_id != card.pk:
                assignment.card_id = card.root_id
                self.moved.append(card)

    def _refuse_twins(self, rows: list[Any]) -> None:
        seen = set()
        for row in rows:
            it = row.instance
            scope = (it.program, it.group_id, it.cardholder_id, it.card_id)
            if scope in seen:
                row.add_error(None, "The policy is assigned there already: keep one of them.")
            seen.add(scope)
