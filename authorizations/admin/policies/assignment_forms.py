"""Where a policy is assigned: each row names exactly one scope, and each scope once."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminSelectWidget

from authorizations.admin.base import InlineFormSet, ModelForm
from authorizations.models import Assignment, Card, Policy
from authorizations.rules.controls import ScopeKind
from authorizations.services import locks

KINDS = {
    ScopeKind.PROGRAM: "Every card",
    ScopeKind.GROUP: "A card group, as one budget",
    ScopeKind.CARDHOLDER: "A cardholder, all cards together",
    ScopeKind.CARD: "A card",
}
_MISSING = {
    ScopeKind.GROUP: "Choose the group.",
    ScopeKind.CARDHOLDER: "Choose the cardholder.",
    ScopeKind.CARD: "Choose the card.",
}
_NAMED = tuple(_MISSING)


class AssignmentForm(ModelForm[Assignment]):
    """First what kind of scope, then which one."""

    kind = forms.ChoiceField(
        label="Applies to",
        choices=[("", "Choose what"), *KINDS.items()],
        widget=UnfoldAdminSelectWidget(attrs={"aria-label": "Applies to"}),
        required=False,  # what is chosen beside it tells the kind as well
    )

    class Meta:
        model = Assignment
        fields = _NAMED
        help_texts = dict.fromkeys(_NAMED, "")  # the kinds say it

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.instance.pk:
            self.initial["kind"] = _kind_of(self.instance)
        for name in _NAMED:
            # Its menu would lead away from a page that is not saved.
            wrapper: Any = self.fields[name].widget
            wrapper.can_add_related = wrapper.can_change_related = False
            wrapper.can_delete_related = wrapper.can_view_related = False

    def clean(self) -> None:
        super().clean()
        kind, chosen = self._kind(), self.cleaned_data
        if kind is None:
            self.add_error(
                None, "Choose exactly one: the program, a group, a cardholder or a card."
            )
        if kind in _MISSING and not chosen.get(kind) and kind not in self.errors:
            self.add_error(kind, _MISSING[kind])
        for name in _NAMED:
            if kind and name != kind:
                chosen[name] = None  # of a kind that was chosen before
        self.instance.program = kind == ScopeKind.PROGRAM

    def _kind(self) -> ScopeKind | None:
        if given := self.cleaned_data.get("kind"):
            return ScopeKind(given)
        named = [name for name in _NAMED if self.cleaned_data.get(name)]
        return named[0] if len(named) == 1 else None


def _kind_of(assignment: Assignment) -> ScopeKind:
    named = (name for name in _NAMED if getattr(assignment, f"{name}_id"))
    return next(named, ScopeKind.PROGRAM)


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
