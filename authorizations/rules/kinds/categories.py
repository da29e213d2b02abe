"""The merchant categories where a card may pay."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from authorizations.rules.basics.filters import CategorySet, Merchant
from authorizations.rules.basics.parsing import category
from authorizations.rules.basics.words import category_label, category_title, category_words
from authorizations.rules.decision.rule import FieldKind, ReasonTexts, Section
from authorizations.rules.decision.values import Check, DeclineReason, Json
from authorizations.rules.kinds.lists import ListRule, ListSide, pair, words_of


@dataclass(frozen=True, slots=True)
class Categories(ListRule):
    """Stripe's names, MCCs and ranges of MCCs; a trace has the request's [MCC, name]."""

    reason = DeclineReason.CATEGORY_NOT_ALLOWED
    texts = ReasonTexts(
        "Merchant category not allowed",
        "The policy does not allow the merchant's category.",
        "This card cannot be used at this kind of merchant.",
    )
    settings = pair(
        "categories",
        Section.WHERE,
        FieldKind.CATEGORIES,
        words_of(category),
        category_title,
        labels=("Only these categories", "Not these categories"),
        nouns=("Category", "Categories"),
        help="By name, or type a code such as 5812 or a range such as 3000-3299.",
    )
    asks = {"category": "merchant category", "category_code": "merchant category code"}
    spares_exempt = True
    noun, plural = "Merchant category", "categories"
    missing = "The merchant's category was not reported"
    preposition = "on"
    filter_key = "categories"

    @classmethod
    def listing(cls, written: Sequence[str], matching: int, *, allows: bool) -> ListSide:
        categories = CategorySet.of([*written])
        return ListSide.of(categories.words, categories, allows=allows)

    @classmethod
    def examples(cls, members: CategorySet) -> Iterator[Merchant]:
        return members.examples()

    @classmethod
    def found(cls, subject: Merchant) -> Json:
        found = [subject.category_code, subject.category]
        return found if any(found) else None

    @classmethod
    def entry_words(cls, entry: str) -> str:
        return category_label(entry)

    @classmethod
    def found_words(cls, found: Json) -> str:
        code, name = found
        return f"{category_label(name)} ({category_words(code)})" if name else category_words(code)

    @classmethod
    def in_headline(cls, check: Check) -> str:
        """ "betting and casino gambling, MCC 7995"."""
        code, name = check.found
        return ", ".join(filter(None, (category_label(name), code and category_words(code))))

    @classmethod
    def summary_words(cls, entries: Sequence[str]) -> list[str]:
        return [*map(category_label, entries)]
