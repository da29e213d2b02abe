"""Who gets what at each address: a new address needs a row here.

Each row says what opening the address (GET) and sending an empty form to it (POST) answers, to
each role in turn:

    login   asked to log in
    200     the page; after sending, the form with its complaints
    moved   led to another page
    403     refused, 404 nothing there, 405 not this method

HEAD answers as GET does, unless `others` says otherwise; PUT, PATCH, DELETE and OPTIONS 405 in the
admin, and elsewhere as HEAD, or 403 or 405.
"""

from dataclasses import dataclass, field

ROLES = ("anonymous", "outsider", "nobody", "Auditors", "Operations", "superuser")
"""An outsider has a password but is no staff; nobody is staff without a role."""

Answers = dict[str, str]


@dataclass(frozen=True)
class Access:
    """The answers to each role when opening and when sending."""

    opens: Answers
    sends: Answers
    others: Answers = field(default_factory=dict)


def to(*answers: str) -> Answers:
    return dict(zip(ROLES, answers, strict=True))


#            anonymous outsider nobody  Auditors Operations superuser
SEEN = to("login", "login", "403", "200", "200", "200")
EDITED = to("login", "login", "403", "403", "200", "200")
SAVED = to("login", "login", "403", "403", "moved", "moved")
SUPER = to("login", "login", "403", "403", "403", "200")
SEES_PEOPLE = to("login", "login", "403", "200", "403", "200")
NEVER = to("login", "login", "403", "403", "403", "403")
LEADS_BACK = to("login", "login", "403", "moved", "moved", "moved")
STAFF = to("login", "login", "200", "200", "200", "200")
NO_CARD_NAMED = to("login", "login", "403", "403", "404", "404")
MOVES = to("login", "login", "moved", "moved", "moved", "moved")
APPS = to("login", "login", "404", "200", "200", "200")
NOTHING_THERE = to("login", "login", "404", "404", "404", "404")
TO_ALL_MOVED = to("moved", "moved", "moved", "moved", "moved", "moved")
ANYBODY = to("200", "200", "200", "200", "200", "200")
NEVER_THERE = to("404", "404", "404", "404", "404", "404")
NOT_SENT_BY_STAFF = to("login", "login", "405", "405", "405", "405")
NOT_SENT = to("405", "405", "405", "405", "405", "405")

Pages = dict[str, Access]

# What operators edit; nothing is deleted, because the record names it.
_EDITED: Pages = {
    "changelist": Access(SEEN, SEEN),
    "add": Access(EDITED, EDITED),
    "change": Access(SEEN, EDITED),
    "delete": Access(NEVER, NEVER),
    "history": Access(SEEN, SEEN),
    "": Access(MOVES, NEVER_THERE),
}
# What is written once: nobody changes it, superusers included.
_RECORD: Pages = _EDITED | {
    "add": Access(NEVER, NEVER),
    "change": Access(SEEN, NEVER),
    "history": Access(LEADS_BACK, LEADS_BACK),
}
# Staff and their roles.
_PEOPLE: Pages = {
    "changelist": Access(SEES_PEOPLE, SEES_PEOPLE),
    "add": Access(SUPER, SUPER),
    "change": Access(SEES_PEOPLE, SUPER),
    "delete": Access(SUPER, SUPER),
    "history": Access(SEES_PEOPLE, SEES_PEOPLE),
    "": Access(MOVES, NEVER_THERE),
}
# A list with buttons that export it; opened, it leads back to the list. Sent without a format too.
_EXPORTED: Pages = _RECORD | {"export": Access(LEADS_BACK, LEADS_BACK)}


def _pages(model: str, pages: Pages) -> dict[str, Access]:
    app, name = model.split("_")
    return {
        f"admin:{model}_{page}" if page else f"admin/{app}/{name}/<path:object_id>/": access
        for page, access in pages.items()
    }


SECOND_FACTOR = (
    *("account_login", "mfa_index", "mfa_reauthenticate", "mfa_activate_totp"),
    *("mfa_deactivate_totp", "mfa_reauthenticate_webauthn", "mfa_list_webauthn"),
    *("mfa_add_webauthn", "mfa_remove_webauthn", "mfa_view_recovery_codes"),
    "mfa_generate_recovery_codes",
)

TABLE: dict[str, Access] = {
    # Machines.
    **dict.fromkeys(("webhook", "webhook_php"), Access(NOT_SENT, to(*["400"] * 6))),
    "healthz": Access(ANYBODY, NEVER_THERE),
    "readyz": Access(ANYBODY, NEVER_THERE),
    # Here the peer is this machine; for other networks see tests/test_metrics.py.
    "metrics": Access(ANYBODY, NEVER_THERE),
    # Everybody.
    "home": Access(TO_ALL_MOVED, NEVER_THERE),
    "admin:login": Access(to("200", "200", "moved", "moved", "moved", "moved"), ANYBODY, ANYBODY),
    # Second factors, which these tests do not require (tests/admin/test_second_factor.py does).
    **dict.fromkeys(SECOND_FACTOR, Access(NEVER_THERE, NEVER_THERE)),
    # All staff.
    "admin:index": Access(STAFF, STAFF),
    "admin:logout": Access(
        to("moved", "moved", "405", "405", "405", "405"),
        to("moved", "moved", "200", "200", "200", "200"),
    ),
    "admin:password_change": Access(STAFF, STAFF),
    "admin:password_change_done": Access(STAFF, NOT_SENT_BY_STAFF),
    "admin:jsi18n": Access(STAFF, NOT_SENT_BY_STAFF),
    # Unfold's search, which no page offers: both are one address, and lead home.
    "admin/search/": Access(TO_ALL_MOVED, NEVER_THERE),
    "admin:search": Access(TO_ALL_MOVED, NEVER_THERE),
    "admin:autocomplete": Access(NEVER, NOT_SENT_BY_STAFF),
    "admin:view_on_site": Access(NOTHING_THERE, NOTHING_THERE),
    "admin:app_list": Access(APPS, APPS),
    "admin/<url>": Access(NOTHING_THERE, NEVER_THERE),
    # What operators edit.
    **_pages("authorizations_policy", _EDITED),
    "admin:authorizations_policy_differences": Access(SEEN, NOT_SENT_BY_STAFF),
    "admin:authorizations_policy_assignments": Access(SEEN, NOT_SENT_BY_STAFF),
    "admin:authorizations_policy_assign": Access(EDITED, EDITED),
    "admin:authorizations_policy_duplicate": Access(EDITED, EDITED),
    "admin:authorizations_policy_each": Access(NO_CARD_NAMED, NO_CARD_NAMED),
    "admin:authorizations_policy_cancel": Access(NO_CARD_NAMED, NO_CARD_NAMED),
    "admin:authorizations_policy_card_assign": Access(NO_CARD_NAMED, NO_CARD_NAMED),
    "admin:authorizations_policy_unassign": Access(SAVED, SAVED),  # nothing chosen: led back
    **_pages("authorizations_cardgroup", _EDITED),
    # There is one of them, whose page is the list.
    **_pages(
        "authorizations_programdefaults",
        _EDITED | {"changelist": Access(SEEN, EDITED), "add": Access(NEVER, NEVER)},
    ),
    # A card has nothing that must be filled in.
    **_pages("authorizations_card", _EDITED | {"change": Access(SEEN, SAVED)}),
    **_pages("authorizations_cardholder", _EDITED),
    "admin:authorizations_card_freeze": Access(EDITED, EDITED),
    "admin:authorizations_card_unfreeze": Access(EDITED, EDITED),
    # The record.
    **_pages("authorizations_policyversion", _RECORD),
    **_pages("authorizations_decision", _EXPORTED),
    "admin:authorizations_decision_again": Access(LEADS_BACK, SEEN),
    **_pages("authorizations_instruction", _RECORD),
    "admin:authorizations_instruction_freeze": Access(EDITED, EDITED),
    "admin:authorizations_instruction_block": Access(EDITED, EDITED),
    "admin:authorizations_instruction_own": Access(NO_CARD_NAMED, NO_CARD_NAMED),
    "admin:authorizations_instruction_allow": Access(NO_CARD_NAMED, NO_CARD_NAMED),
    "admin:authorizations_instruction_exclude": Access(NO_CARD_NAMED, NO_CARD_NAMED),
    "admin:authorizations_instruction_lift": Access(EDITED, EDITED),
    **_pages("authorizations_fundentry", _RECORD),
    "admin:authorizations_fundentry_enter": Access(NO_CARD_NAMED, NO_CARD_NAMED),
    **_pages("authorizations_standinswitch", _RECORD),
    "admin:authorizations_standinswitch_switch": Access(EDITED, EDITED),
    "admin:authorizations_standinswitch_health": Access(SEEN, SEEN),
    **_pages("authorizations_authorization", _EXPORTED),
    "admin:authorizations_authorization_past": Access(SEEN, SEEN),
    "admin:authorizations_authorization_release": Access(EDITED, EDITED),
    "admin:authorizations_authorization_adjust": Access(EDITED, EDITED),
    **_pages("authorizations_transaction", _EXPORTED),
    **_pages("authorizations_ledgerentry", _EXPORTED),
    # What Stripe did differently. Without saying which findings, one is led to their list.
    **_pages("authorizations_finding", _EXPORTED),
    "admin:authorizations_finding_see": Access(SAVED, SAVED),
    **_pages("authorizations_unappliedevent", _RECORD),
    "admin:authorizations_unappliedevent_apply": Access(SAVED, SAVED),
    **_pages("authorizations_webhookrequest", _EXPORTED),
    **_pages("authorizations_rejectedrequest", _RECORD),
    **_pages("authorizations_rejectedminute", _RECORD),
    **_pages("authorizations_historyentry", _RECORD),
    **_pages("authorizations_export", _RECORD),
    **_pages("authorizations_proofrun", _RECORD),
    # Staff and their roles.
    **_pages("auth_user", _PEOPLE),
    **_pages("auth_group", _PEOPLE),
    "admin:auth_user_password_change": Access(SUPER, SUPER),
}
