"""Three-way merge of a form page, field by field.

The three versions are the page as it was opened (base), as it was sent (mine), and as it would be
shown now (theirs). A field changed on one side takes that side's value. If both sides changed a
field, or one changed a row that the other removed, the user has to choose.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

from django import forms
from django.http import QueryDict

Values = dict[str, list[str]]
"""The values that a browser sends for one form, by field."""

MINE, THEIRS, BOTH = "mine", "theirs", "both"


@dataclass(frozen=True, slots=True)
class ShownPage:
    """The content of a page: its own fields, and by key the titles and fields of inline rows.

    The key of a row is the value of its hidden field `id`.
    """

    own: Values = field(default_factory=dict)
    rows: dict[str, dict[str, tuple[str, Values]]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Taken:
    """A field that took the newer value; `name` on the page is empty for a removed row."""

    name: str
    label: str
    words: str


@dataclass(frozen=True, slots=True)
class MergeChoice:
    """A field that both sides changed, with both values in words; `both` merges two lists.

    `key` is the same on every page, `name` is the field's name on this page. `base` is the value
    before both changes; for a row that others removed, the row as typed.
    """

    key: str
    name: str
    label: str
    mine: str
    theirs: str
    base: Any = None
    both: str = ""


@dataclass(slots=True)
class Merged:
    """The result: the data of the page, the newer values taken, and the choices to be made."""

    data: QueryDict
    taken: list[Taken] = field(default_factory=list)
    choices: list[MergeChoice] = field(default_factory=list)


def shown_page(form: Any, formsets: Iterable[Any]) -> ShownPage:
    """What a browser would send for an unedited page; its forms must be unbound."""
    rows = {
        formset.prefix: {_key(row): (_title(row), _untouched(row)) for row in formset.initial_forms}
        for formset in formsets
    }
    return ShownPage(_untouched(form), rows)


@dataclass(frozen=True, slots=True)
class _Field:
    """A field of the page as it is now, with the value sent and the value before."""

    form: Any
    name: str
    key: str
    mine: list[str]
    base: list[str] | None

    @property
    def of(self) -> forms.Field:
        found: forms.Field = self.form.fields[self.name]
        return found

    @property
    def theirs(self) -> list[str]:
        return _value(self.form[self.name])

    @property
    def name_on_page(self) -> str:
        return str(self.form.add_prefix(self.name))


@dataclass(frozen=True, slots=True)
class Merger:
    """Merges a page that was sent with the page as it would be shown now, whose forms are unbound.

    `base` is the page as it was opened; fields missing in it count as changed by both sides.
    `open` are the choices offered on the page that was sent, by key.
    """

    data: QueryDict
    base: ShownPage
    open: Mapping[str, MergeChoice]

    def merge(self, form: Any, edited: Iterable[Any], only_shown: Iterable[Any]) -> Merged:
        merged = Merged(self.data.copy())
        for name in _names(form):
            base = self._base(name, self.base.own.get(name))
            it = _Field(form, name, name, self.data.getlist(name), base)
            merged.data.setlist(name, self._field(merged, it))
        for formset in edited:
            self._rows(merged, formset)
        for formset in only_shown:
            _take_rows(merged.data, formset.prefix)
            _put_rows(merged.data, formset, [_untouched(it) for it in formset.initial_forms], [])
        return merged

    def _field(self, merged: Merged, it: "_Field") -> list[str]:
        """The value to show. Adds to `merged` what was taken or has to be chosen."""
        decided = self._decided(it)
        if decided is not None:
            return decided
        of, base, theirs, label = it.of, it.base, it.theirs, _label(it.form, it.name)
        if base is not None and _same(of, it.mine, base):
            merged.taken.append(Taken(it.name_on_page, label, _words(of, theirs)))
            return theirs
        both = _both(of, base, it.mine, theirs) if base is not None and _is_list(of) else []
        merged.choices.append(
            MergeChoice(
                *(it.key, it.name_on_page, label, _words(of, it.mine), _words(of, theirs), base),
                both=_words(of, both) if both else "",
            )
        )
        return it.mine

    def _decided(self, it: "_Field") -> list[str] | None:
        """The value if no choice is needed or one was made; None if the newer value may apply."""
        if _same(it.of, it.mine, it.theirs):
            return it.mine
        match self._chosen(it.key):
            case "mine":
                return it.mine
            case "theirs":
                return it.theirs
            case "both" if it.base is not None and _is_list(it.of):
                return _both(it.of, it.base, it.mine, it.theirs)
        return it.mine if it.base is not None and _same(it.of, it.theirs, it.base) else None

    def _base(self, key: str, value: list[str] | None) -> list[str] | None:
        """The value before both changes, which an open choice remembers."""
        return self.open[key].base if key in self.open else value

    def _rows(self, merged: Merged, formset: Any) -> None:
        """Merges inline rows: the current rows with what was typed in them, then rows added here,
        then rows that others removed while they were changed here.
        """
        prefix = formset.prefix
        base = self.base.rows.get(prefix, {})
        _find_again(base, formset.initial_forms)
        sent = _take_rows(merged.data, prefix)
        typed = {_sent_key(row): row for row in sent if _sent_key(row)}
        now = {_key(row): row for row in formset.initial_forms}
        saved = [self._row(merged, row, typed.get(key), base.get(key)) for key, row in now.items()]
        anew = [row for row in sent if not _sent_key(row)]
        for choice in [it for it in self.open.values() if it.key.startswith(f"{prefix}:gone:")]:
            row = next((row for row in anew if _is_same_row(formset, row, choice.base)), None)
            if row and self._chosen(choice.key) == THEIRS:
                anew.remove(row)
            elif row and not self._chosen(choice.key):
                merged.choices.append(choice)
        for key, row in typed.items():
            if key in now or "DELETE" in row:
                continue
            title, before = base.get(key, ("A row", None))
            if before is not None and _is_same_row(formset, row, before):
                merged.taken.append(Taken("", title, "removed"))
                continue
            name = f"{prefix}-{len(now) + len(anew)}"
            words = (
                f"Keep it, as a new one{_typed(formset.empty_form, row, before)}",
                "Leave it out",
            )
            merged.choices.append(
                MergeChoice(f"{prefix}:gone:{key}", name, title, *words, base=row)
            )
            anew.append({**row, "id": [""]})
        _put_rows(merged.data, formset, saved, anew)

    def _row(
        self, merged: Merged, form: Any, typed: Values | None, base: tuple[str, Values] | None
    ) -> Values:
        """Merges one row that still exists."""
        theirs, before = _untouched(form), base and base[1]
        if typed is None:
            merged.taken.append(Taken(form.add_prefix(_names(form)[0]), _title(form), "added"))
            return theirs
        key = f"{form.prefix.rpartition('-')[0]}:{_key(form)}"
        if "DELETE" in typed:
            removal = f"{key}:DELETE"
            if self._chosen(removal) == THEIRS:
                return theirs
            is_same = before is not None and _is_same_row_of(form, theirs, before)
            if self._chosen(removal) != MINE and (removal in self.open or not is_same):
                name = form.add_prefix("DELETE")
                words = ("Remove it", f"Keep it as it is now{_typed(form, theirs, before)}")
                merged.choices.append(MergeChoice(removal, name, _title(form), *words))
            return {**theirs, "DELETE": ["on"]}
        for name in _names(form):
            base_value = None if before is None else before.get(name, [])
            base_value = self._base(f"{key}:{name}", base_value)
            it = _Field(form, name, f"{key}:{name}", typed.get(name, []), base_value)
            theirs[name] = self._field(merged, it)
        return theirs

    def _chosen(self, key: str) -> str:
        return str(self.data.get(f"choose-{key}", "")) if key in self.open else ""


def _find_again(base: Mapping[str, tuple[str, Values]], rows: Iterable[Any]) -> None:
    """Rows of today get the keys they had on the page as it was opened.

    Nothing in a list names its entries: what is all the same is the same row, and then what is the
    same in all fields but one.
    """
    left = {key: values for key, (_, values) in base.items()}
    new = list(rows)
    for most in (0, 1):
        for row in [*new]:
            for key, before in left.items():
                if _unlike(row, before) <= most:
                    row.initial["id"] = key
                    new.remove(row)
                    del left[key]
                    break


def _unlike(row: Any, before: Values) -> int:
    """In how many fields a row differs from one before."""
    return sum(
        not _same(row.fields[name], _value(row[name]), before.get(name, [])) for name in _names(row)
    )


def _names(form: Any) -> list[str]:
    """The names of the visible fields."""
    hidden = {name for name, of in form.fields.items() if of.widget.is_hidden}
    return [name for name in form.fields if name not in {*hidden, "id", "DELETE", "shown"}]


def _key(row: Any) -> str:
    return str(row["id"].value())


def _title(row: Any) -> str:
    return str(row.title)


def _label(form: Any, name: str) -> str:
    label = str(form[name].label)
    return f"{_title(form)}, {label}" if form.prefix else label


def _untouched(form: Any) -> Values:
    return {bound.name: _value(bound) for bound in form if bound.name != "shown"}


def _value(bound: Any) -> list[str]:
    """What a browser sends for an unedited field."""
    value = bound.value()
    if isinstance(value, (list, tuple)):
        return [str(one) for one in value]
    if value is None or value is False:
        return []
    return ["on"] if value is True else [str(value)]


def _is_list(of: forms.Field) -> bool:
    return hasattr(of.widget, "parts") or bool(getattr(of.widget, "allow_multiple_selected", False))


def _parts(of: forms.Field, sent: list[str]) -> list[Any]:
    """The entries sent, without empty ones."""
    if hasattr(of.widget, "parts"):
        return list(of.widget.parts(sent))
    return [one for one in (" ".join(it.split()) for it in sent) if one]


def _same(of: forms.Field, one: list[str], other: list[str]) -> bool:
    """Compares lists as sets, as browsers send them in any order."""
    return sorted(_parts(of, one)) == sorted(_parts(of, other))


def _both(of: forms.Field, base: list[str], mine: list[str], theirs: list[str]) -> list[str]:
    """Their list with what was added here and without what was removed here."""
    before, here, there = (_parts(of, sent) for sent in (base, mine, theirs))
    kept = [one for one in there if one in here or one not in before]
    both = [*kept, *(one for one in here if one not in before and one not in kept)]
    return [text for one in both for text in ([one] if isinstance(one, str) else one)]


def _is_same_row_of(form: Any, one: Values, other: Values) -> bool:
    return all(
        _same(form.fields[name], one.get(name, []), other.get(name, [])) for name in _names(form)
    )


def _is_same_row(formset: Any, one: Values, other: Values) -> bool:
    return _is_same_row_of(formset.empty_form, one, other)


def _typed(form: Any, row: Values, before: Values | None) -> str:
    """The changes in a row, as " (Amount: 75.00)"; for a new row, all its values."""
    there = before or {}
    edits = [
        f"{form[name].label}: {_words(form.fields[name], sent)}"
        for name in _names(form)
        for sent in [row.get(name, [])]
        if not _same(form.fields[name], sent, there.get(name, []))
    ]
    return f" ({'; '.join(edits)})" if edits else ""


def _words(of: forms.Field, sent: list[str]) -> str:
    """A value as text."""
    if isinstance(of, forms.BooleanField):
        return "yes" if sent else "no"
    parts = _parts(of, sent)
    if isinstance(of, forms.ModelChoiceField):
        words = _names_of(of, parts)
    elif hasattr(of.widget, "part_words"):
        words = [of.widget.part_words(part) for part in parts]
    else:
        known = dict(getattr(of.widget, "choices", ()))
        words = [str(known.get(part, part)) for part in parts]
    return ", ".join(words) or "nothing"


def _names_of(of: "forms.ModelChoiceField[Any]", keys: list[str]) -> list[str]:
    try:
        rows = {str(row.pk): row for row in cast("Any", of.queryset).filter(pk__in=keys)}
        return [str(rows[key]) for key in keys if key in rows]
    except (TypeError, ValueError):  # not the keys of rows
        return keys


def _take_rows(data: QueryDict, prefix: str) -> list[Values]:
    """Removes the rows of a formset from `data` and returns them in their order."""
    rows: dict[int, Values] = {}
    for key in [*data]:
        before, _, rest = key.partition("-")
        place, _, name = rest.partition("-")
        if before == prefix and place.isdecimal():
            rows.setdefault(int(place), {})[name] = data.pop(key)
    return [rows[place] for place in sorted(rows)]


def _sent_key(row: Values) -> str:
    return str(row.get("id", [""])[0])


def _put_rows(data: QueryDict, formset: Any, saved: list[Values], anew: list[Values]) -> None:
    for place, row in enumerate([*saved, *anew]):
        for name, values in row.items():
            data.setlist(f"{formset.prefix}-{place}-{name}", values)
    data[f"{formset.prefix}-INITIAL_FORMS"] = str(len(saved))
    data[f"{formset.prefix}-TOTAL_FORMS"] = str(len(saved) + len(anew))
