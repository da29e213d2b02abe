"""Which pages there are: every address of the admin that shows one, and some states of them."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from time import time
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.contrib.admin.utils import quote
from django.db.models import Model
from django.db.models.fields.json import KT
from django.urls import URLPattern, reverse
from playwright.sync_api import Page

from authorizations.admin.cards.pages import NeverDeleted
from authorizations.admin.lists.record_admin import ReadOnly
from authorizations.admin.policies.defaults import ProgramDefaultsAdmin
from authorizations.admin.policies.pages import PolicyAdmin
from authorizations.admin.shared.links import leaving_out_url
from authorizations.models import (
    Assignment,
    Authorization,
    Card,
    Decision,
    Dispute,
    Finding,
    Instruction,
    Policy,
)
from authorizations.services.policies import own_amounts

Act = Callable[[Page], object]

# Addresses that answer programs, buttons and log-outs, not people who look.
_NO_PAGES = ("autocomplete", "jsi18n", "search", "view_on_site", "logout", "app_list")


@dataclass(frozen=True, slots=True)
class Shown:
    """A page in one state: who opens which address, what they do there, and what it answers.

    `require_mfa`: with this setting on.
    """

    name: str
    path: str
    who: str = "admin"
    act: Act | None = None
    status: int = 200
    require_mfa: bool = False


def all_pages() -> list[Shown]:
    return [*_of_the_site(), *_of_models(), *_states()]


def _of_the_site() -> Iterator[Shown]:
    for pattern in admin.site.urls[0]:
        if isinstance(pattern, URLPattern) and pattern.name and pattern.name not in _NO_PAGES:
            who = "" if pattern.name == "login" else "admin"
            yield Shown(pattern.name, reverse(f"admin:{pattern.name}"), who)


def _of_models() -> Iterator[Shown]:
    for model, model_admin in admin.site._registry.items():
        row = model._default_manager.order_by("pk").last()
        for pattern in model_admin.get_urls():
            name = pattern.name or ""
            values = _values(pattern, row) if _is_a_page(model_admin, name) else None
            if values is not None:
                path = reverse(f"admin:{name}", kwargs=values)
                yield Shown(name.removeprefix("authorizations_"), path)


def _is_a_page(model_admin: object, name: str) -> bool:
    """Whether there is something to see for those who may do everything."""
    if isinstance(model_admin, ReadOnly) and name.endswith(("_add", "_delete")):
        return False
    if isinstance(model_admin, NeverDeleted | PolicyAdmin) and name.endswith("_delete"):
        return False
    if isinstance(model_admin, ProgramDefaultsAdmin) and name.endswith(("_add", "_delete")):
        return False
    needs_more = ["_export", "_again", "_own", "_allow", "_card_assign", "_cancel"]
    needs_more += ["_exclude", "_each", "_enter"]
    return bool(name) and not name.endswith(tuple(needs_more))


def _values(pattern: URLPattern, row: Model | None) -> dict[str, Any] | None:
    """What to put into an address; None where there is no row for it."""
    wanted = set(pattern.pattern.regex.groupindex)
    if not wanted:
        return {}
    if row is None:
        return None
    return dict.fromkeys(wanted, quote(row.pk))


def _states() -> Iterator[Shown]:
    decisions = Decision.objects.order_by("pk")
    approved = decisions.filter(approved=True, is_partial=False).last()
    allowed = Instruction.objects.filter(terms__has_key="decision")
    declined = decisions.filter(reason="amount_limit_exceeded").exclude(
        pk__in=allowed.values_list(KT("terms__decision"), flat=True)
    )
    partial = decisions.filter(is_partial=True).last()
    ungranted = decisions.filter(reason="no_policy").last()
    kinds = {"approved": approved, "declined": declined.last(), "partial": partial, "no": ungranted}
    for name, row in kinds.items():
        if row:
            yield Shown(f"decision_{name}", _change(row))
            yield Shown(f"decision_{name}_auditor", _change(row), "auditor")
    yield from _lives()
    yield from _second_factors()
    for card in (Card.objects.get(pk="ic_demo_noah"), Card.objects.get(last4="4242")):
        yield Shown(f"card_{card.last4}", _change(card), "operator")
    policy = Policy.objects.get(name="Everyday")
    yield Shown("differences", reverse("admin:authorizations_policy_differences", args=[policy.pk]))
    yield Shown("policy_operator", _change(policy), "operator")
    if drivers := Policy.objects.filter(name="Drivers").first():
        yield Shown("policy_conditions", _change(drivers), "operator")
        cancel = reverse("admin:authorizations_policy_cancel", args=[drivers.pk])
        yield Shown("policy_cancel", f"{cancel}?version=2", "operator")
    yield from _own_amounts(policy)
    yield Shown("policy_auditor", _change(policy), "auditor")
    yield Shown("policy_limits", _change(policy), "operator", _add_limits_of_every_interval)
    yield Shown("policy_wrong", _change(policy), "operator", _type_a_wrong_amount)
    if other := Policy.objects.exclude(pk=policy.pk).first():
        yield Shown("policy_merged", _change(other), "operator", _save_after_somebody_else)
    everybodys = Policy.objects.get(name="Baseline")
    yield Shown("policy_lets_spend", _change(everybodys), "operator", _make_unlimited)
    lists = "admin:authorizations_{}_changelist"
    yield Shown("card_without", reverse(lists.format("card")) + "?grant=without", "operator")
    yield Shown("decision_filters", reverse(lists.format("decision")), act=_open_filters)
    yield Shown("decision_nothing", reverse(lists.format("decision")) + "?q=nobody", "auditor")
    yield Shown("card_nothing", reverse(lists.format("card")) + "?q=nobody", "operator")
    yield Shown("home_operator", reverse("admin:index"), "operator")
    yield Shown("home_auditor", reverse("admin:index"), "auditor")
    yield Shown("menu", reverse("admin:index"), act=_open_menu)
    yield Shown("login_refused", reverse("admin:login"), "", _log_in_wrongly)
    yield Shown("not_allowed", reverse("admin:authorizations_policy_add"), "auditor", status=403)


def _own_amounts(policy: Policy) -> Iterator[Shown]:
    """The pages that need an address with what they are about."""
    card = Card.objects.get(pk="ic_demo_noah")
    limit = own_amounts.limits_of(policy)[0]
    query = urlencode({"scope": f"card:{card.root_id}", "policy": policy.pk, "limit": limit.key})
    own = reverse("admin:authorizations_instruction_own")
    yield Shown("instruction_own_card", f"{own}?{query}", "operator")
    allow = reverse("admin:authorizations_instruction_allow")
    yield Shown("instruction_allow_card", f"{allow}?card={card.pk}", "operator")
    for reason in ("amount_limit_exceeded", "card_frozen"):
        if row := Decision.objects.filter(reason=reason, stand_in="").last():
            query = urlencode({"decision": row.pk})
            yield Shown(f"instruction_allow_{reason}", f"{allow}?{query}", "operator")
    if used := Decision.objects.filter(exception__isnull=False).last():
        yield Shown("decision_by_exception", _change(used), "operator")
        declined = Decision.objects.filter(reason="amount_limit_exceeded", stand_in="").latest("pk")
        yield Shown("decision_allowed_once", _change(declined), "operator")
        query = urlencode({"decision": declined.pk})
        yield Shown("instruction_allow_open", f"{allow}?{query}", "operator")
        yield Shown("card_allowed_once", _change(Card.objects.get(pk=used.card_id)), "operator")
    if trips := Policy.objects.filter(name="Trips").first():
        yield Shown("policy_funds", _change(trips), "operator")
        query = urlencode({"scope": f"card:{card.root_id}", "policy": trips.pk, "limit": "pot"})
        enter = reverse("admin:authorizations_fundentry_enter")
        yield Shown("fundentry_enter_card", f"{enter}?{query}", "operator")
    jonas = Card.objects.get(pk="ic_demo_jonas")
    yield Shown("card_frozen_above", _change(jonas), "operator")
    listed = reverse("admin:authorizations_instruction_changelist")
    yield Shown("instruction_of_card", f"{listed}?card={card.pk}", "operator")
    yield Shown("instruction_planned", f"{listed}?kind=planned", "operator")
    yield from _whose_limits()
    assign = reverse("admin:authorizations_policy_card_assign")
    yield Shown("policy_assign_card", f"{assign}?card={card.pk}", "operator")


def _whose_limits() -> Iterator[Shown]:
    """The pages of an assignment to every card or a group."""
    for name, row in (
        ("program", Assignment.objects.filter(program=True).first()),
        ("group", Assignment.objects.exclude(group=None).first()),
    ):
        if row:
            each = reverse("admin:authorizations_policy_each", args=[row.policy_id, row.pk])
            yield Shown(f"policy_each_{name}", each, "operator")
            out = leaving_out_url(row.policy_id, row.scope)
            yield Shown(f"instruction_exclude_{name}", out, "operator")


def _lives() -> Iterator[Shown]:
    """Purchases at each stage of their life, and findings of each kind."""
    purchases = Authorization.objects.filter(pk__startswith="iauth")
    stages = {
        "held": purchases.filter(is_held=True).first(),
        "captured": purchases.filter(is_held=False, captured_amount__gt=0).first(),
        "refunded": purchases.filter(refunded_amount__gt=0).first(),
        "voided": purchases.filter(status="reversed").first(),
        "not_approved": purchases.filter(count=0).first(),
        "late": purchases.filter(pk__in=_differing("answered_too_late")).first(),
        "tipped": purchases.filter(pk="iauth_pictures_tipped").first(),
        "alone": Authorization.objects.filter(pk__startswith="ipi").first(),
    }
    for name, row in stages.items():
        if row:
            yield Shown(f"authorization_{name}", _change(row), "operator")
    for dispute in Dispute.objects.all():
        row = Authorization.objects.get(pk=dispute.transaction.booked_under)
        adjust = reverse("admin:authorizations_authorization_adjust", args=[quote(row.pk)])
        yield Shown("authorization_disputed", _change(row), "operator")
        yield Shown("adjust_won", f"{adjust}?dispute={dispute.pk}", "operator")
    for finding in Finding.objects.order_by("kind", "-pk").distinct("kind"):
        yield Shown(f"finding_{finding.kind}", _change(finding), "operator")
    findings = reverse("admin:authorizations_finding_changelist")
    yield Shown("finding_list_operator", findings, "operator")
    see = reverse("admin:authorizations_finding_see")
    yield Shown("finding_see_kind", f"{see}?kind=captured_above_approval", "operator")
    yield Shown("holds_operator", reverse("admin:authorizations_authorization_past"), "operator")
    if stripes := Decision.objects.filter(decided_by="stripe").first():
        yield Shown("decision_stripes", _change(stripes), "auditor")


def _second_factors() -> Iterator[Shown]:
    """Setting up the first one."""
    for name, view in (("app", "mfa_activate_totp"), ("key", "mfa_add_webauthn")):
        yield Shown(f"second_factor_{name}", reverse(view), "operator", require_mfa=True)


def _differing(kind: str) -> list[str]:
    rows = Finding.objects.filter(kind=kind, state=Finding.State.OPEN)
    return list(rows.values_list("authorization_id", flat=True))


def _change(row: Model) -> str:
    name = f"admin:{row._meta.app_label}_{row._meta.model_name}_change"
    return reverse(name, args=[quote(row.pk)])


def _type_a_wrong_amount(page: Page) -> None:
    page.get_by_label("Smallest partial amount").fill("12.345")
    with page.expect_navigation():
        page.get_by_role("button", name="Save", exact=True).click()


def _add_limits_of_every_interval(page: Page) -> None:
    """Each shows the fields of its interval."""
    for interval in ("monthly", "yearly", "rolling"):
        page.get_by_text("Add another limit").click()
        page.locator("select[name$='-interval']:visible").last.select_option(interval)


def _make_unlimited(page: Page) -> None:
    """It would let a card spend that could not before: the page asks for a tick."""
    page.get_by_label("Unlimited").check()
    with page.expect_navigation():
        page.get_by_role("button", name="Save", exact=True).click()


def _save_after_somebody_else(page: Page) -> None:
    """Both change two fields, one of them the same; both add a merchant."""
    other = page.context.new_page()
    other.goto(page.url)
    number = int(time()) % 90
    last_day = f"2030-12-{number % 28 + 1:02}"
    _fill_in(other, {"max_network_risk_score": str(number + 1), "usable_until": last_day})
    _add_merchant(other, "begins_with", f"Casino {number}")
    other.close()
    _fill_in(page, {"name": "Journeys", "max_network_risk_score": "99"})
    _add_merchant(page, "network_id", "498750001042")


def _fill_in(page: Page, typed: dict[str, str]) -> None:
    for name, text in typed.items():
        page.locator(f"[name={name}]").fill(text)


def _add_merchant(page: Page, manner: str, text: str) -> None:
    row = page.locator(".field-blocked_merchants .desk-merchant").last
    row.locator("select").select_option(manner)
    row.locator("input").fill(text)
    with page.expect_navigation():
        page.get_by_role("button", name="Save", exact=True).click()


def _open_filters(page: Page) -> None:
    page.locator("#changelist a", has_text="Filters").first.click()


def _open_menu(page: Page) -> None:
    if (button := page.get_by_role("button", name="Menu", exact=True)).is_visible():
        button.click()


def _log_in_wrongly(page: Page) -> None:
    page.fill("[name=username]", "operator")
    page.fill("[name=password]", "wrong")
    with page.expect_navigation():
        page.locator("#login-form [type=submit]").click()
