"""What a list says while it is empty: why, and what to do."""

from dataclasses import dataclass

from django.http import QueryDict


@dataclass(frozen=True, slots=True)
class Empty:
    """`add` names the button for whoever may add a row; `clears` offers to see all rows again."""

    title: str
    text: str
    icon: str = "inbox"
    add: str = ""
    clears: bool = False


NOTHING_MATCHES = Empty(
    "Nothing matches",
    "No row fits what was searched and chosen. Clear the search and the filters to see all rows.",
    "search_off",
    clears=True,
)
_CONNECT = "Connect Stripe to this desk, or send a purchase with “manage.py simulate”."

_LISTS = {
    "policy": Empty(
        "No policy yet",
        "Without a policy that grants it, every purchase is declined.",
        "policy",
        "Add the first policy",
    ),
    "policyversion": Empty(
        "No version yet",
        "Each time a policy is saved with a change, its next version appears here.",
        "policy",
    ),
    "programdefaults": Empty(
        "No defaults yet",
        "Until they are set, a policy begins with the server's time zone and weeks from Sunday.",
        "tune",
    ),
    "cardgroup": Empty(
        "No card group yet",
        "The cards of a group share one budget: put a policy on the group to limit them together.",
        "groups",
        "Add the first group",
    ),
    "card": Empty(
        "No card yet",
        "Cards appear with their first purchase. To set one up before that, add it by hand.",
        "credit_card",
        "Add a card",
    ),
    "cardholder": Empty(
        "No cardholder yet",
        "Cardholders appear with the first purchase of their cards, or are added by hand.",
        "person",
        "Add a cardholder",
    ),
    "decision": Empty(
        "No decision yet", f"Every answer to Stripe appears here. {_CONNECT}", "rule"
    ),
    "authorization": Empty(
        "No authorization yet",
        f"Each purchase Stripe asks about appears here. {_CONNECT}",
        "receipt_long",
    ),
    "transaction": Empty(
        "No transaction yet",
        "Captures and refunds appear here once Stripe tells of them: send the event types"
        " issuing_transaction.created and .updated to this desk's webhook.",
        "payments",
    ),
    "finding": Empty(
        "Nothing differs",
        "Where Stripe does otherwise than was decided here, it appears here with the money at"
        " stake: answers that came too late, captures above the approval, and the like.",
        "rule_settings",
    ),
    "unappliedevent": Empty(
        "Every event was applied",
        "What Stripe tells and the books can't take in waits here, with the reason why not.",
        "sync",
    ),
    "ledgerentry": Empty(
        "Nothing in the ledger yet",
        "An entry is written each time a purchase takes up room in a limit, or gives it back.",
        "menu_book",
    ),
    "webhookrequest": Empty(
        "No request yet", f"Everything Stripe sends appears here. {_CONNECT}", "webhook"
    ),
    "rejectedrequest": Empty(
        "Nothing was rejected",
        "Requests without a valid signature appear here. Many of them at once can mean that the"
        " signing secret is wrong.",
        "block",
    ),
    "rejectedminute": Empty(
        "Nothing was rejected",
        "When very many requests are rejected, they are counted here by the minute.",
        "schedule",
    ),
    "proofrun": Empty(
        "Nothing was proved yet",
        "Each run of verify_record, verify_books and redecide is listed here with what came of it."
        " The nightly timer runs all three.",
        "verified",
    ),
    "standinswitch": Empty(
        "Never switched by hand",
        "Whoever switches stand-in on or off is recorded here, with the reason.",
        "offline_bolt",
    ),
    "historyentry": Empty(
        "No change yet",
        "Each change of policies, limits, cards, groups and users appears here, with who made it.",
        "history",
    ),
    "export": Empty(
        "No export yet",
        "Whoever exports decisions or requests is recorded here. Export from their lists.",
        "download",
    ),
    "user": Empty("No user yet", "Add the people who work at this desk.", "badge", "Add a user"),
    "group": Empty(
        "No role yet", "A role says what its people may see and do.", "key", "Add a role"
    ),
}
_OTHERS = Empty("Nothing here yet", "Rows appear here as soon as there are some.")


def empty_state(model_name: str, asked: QueryDict) -> Empty:
    """What to say about an empty list that was asked for with these words of its address."""
    return NOTHING_MATCHES if asked else _LISTS.get(model_name, _OTHERS)
