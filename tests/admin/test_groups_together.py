"""Two people at one card group: the second is told, and no card is moved unseen."""

from typing import Any

import pytest
from django.test import Client

from authorizations.models import Card, CardGroup
from tests.admin import pages
from tests.admin.conftest import Login
from tests.admin.pages import as_sent, as_shown, errors, messages

pytestmark = pytest.mark.django_db


@pytest.fixture
def group() -> CardGroup:
    made = CardGroup.objects.create(name="North")
    for number in range(3):
        card = Card.objects.create(pk=f"ic_{number}", last4=f"000{number}")
        if number == 0:
            Card.objects.filter(pk=card.pk).update(group=made)
    return made


def save(client: Client, group: CardGroup, sent: Any) -> Any:
    return client.post(pages.change_url(group), sent, follow=True)


def members(group: CardGroup) -> set[str]:
    return set(group.cards.values_list("pk", flat=True))


def test_the_second_is_told_which_cards_joined_and_left(
    operator: Client, login: Login, group: CardGroup
) -> None:
    url, other = pages.change_url(group), login("superuser")
    opened = as_shown(operator, url)
    save(other, group, as_shown(other, url) | {"cards": ["ic_1"], "description": "Lyon"})
    refused = save(operator, group, opened | {"cards": ["ic_0", "ic_2"]})
    assert list(errors(refused)) == ["shown"]
    conflict = refused.context["adminform"].form.fields["shown"].conflict
    assert conflict.saved.by == "superuser"
    assert conflict.changes == [
        "Description: not set \N{RIGHTWARDS ARROW} Lyon",
        "Cards that joined: •••• 0001",
        "Cards that left: •••• 0000",
    ]
    assert members(group) == {"ic_1"}


@pytest.mark.parametrize(
    ("chosen", "cards"),
    [("mine", {"ic_0", "ic_2"}), ("theirs", {"ic_1"}), ("both", {"ic_1", "ic_2"})],
)
def test_of_two_who_choose_cards_neither_undoes_the_other_unasked(
    operator: Client, login: Login, group: CardGroup, chosen: str, cards: set[str]
) -> None:
    url, other = pages.change_url(group), login("superuser")
    opened = as_shown(operator, url)
    save(other, group, as_shown(other, url) | {"cards": ["ic_1"], "description": "Lyon"})
    refused = save(operator, group, opened | {"cards": ["ic_0", "ic_2"]})
    conflict = refused.context["adminform"].form.fields["shown"].conflict
    assert [(it.label, it.words) for it in conflict.taken] == [("Description", "Lyon")]
    [choice] = conflict.choices
    assert choice.both == "•••• 0001 (ic_1), •••• 0002 (ic_2)"
    assert list(errors(save(operator, group, as_sent(refused)))) == ["shown"]
    save(operator, group, as_sent(refused) | {"choose-cards": chosen})
    group.refresh_from_db()
    assert (members(group), group.description) == (cards, "Lyon")


def test_a_double_click_saves_once(operator: Client, group: CardGroup) -> None:
    sent = as_shown(operator, pages.change_url(group)) | {"cards": ["ic_1"]}
    save(operator, group, sent)
    assert "The page was sent twice and saved once." in messages(save(operator, group, sent))
    add = pages.add_url(CardGroup)
    new = as_shown(operator, add) | {"name": "South"}
    assert [operator.post(add, new).status_code for _ in range(2)] == [302, 302]
    assert CardGroup.objects.filter(name="South").count() == 1
