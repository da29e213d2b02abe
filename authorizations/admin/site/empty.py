"""Texts of empty lists: why a list is empty and what to do."""

from dataclasses import dataclass

from django.http import QueryDict


@dataclass(frozen=True, slots=True)
class Empty:
    """`add` is the text of the button that adds a row; `clears` offers to clear the filters."""

    title: str
    text: str
    icon: str = "inbox"
    add: str = ""
    clears: bool = False


NOTHING_MATCHES = Empty(
    "Nothing matches",
    "No row matches the search and the filters. Clear both to see all rows.",
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
        "A version appears here each time a policy is saved with a change.",
        "policy",
    ),
    "programdefaults": Empty(
        "No defaults yet",
        "Until they are set, new policies use the server's time zone and weeks from Sunday.",
        "tune",
    ),
    "cardgroup": Empty(
        "No card group yet",
        "A policy assigned to a group gives its cards one budget, or each limits of their own.",
        "groups",
        "Add the first group",
    ),
    "card": Empty(
        "No card yet",
        "Cards appear with their first purchase. To set one up earlier, add it by hand.",
        "credit_card",
        "Add a card",
    ),
    "cardholder": Empty(
        "No cardholder yet",
        "Cardholders appear with the first purchase of a card, or are added by hand.",
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
        "Captures and refunds appear here once Stripe reports them. Send the event types"
        " issuing_transaction.created and .updated to this desk's webhook.",
        "payments",
    ),
    "finding": Empty(
        "No mismatches",
        "If Stripe does not do what was decided here, it appears here with the amount"
        " concerned: late answers, captures above the approval, and the like.",
        "rule_settings",
    ),
    "unappliedevent": Empty(
        "Every message was processed",
        "Messages from Stripe that could not be added to the books appear here, with the reason.",
        "sync",
    ),
    "ledgerentry": Empty(
        "No ledger entries yet",
        "An entry appears each time what a purchase counts against limits changes.",
        "menu_book",
    ),
    "webhookrequest": Empty(
        "No messages yet", f"Everything Stripe sends appears here. {_CONNECT}", "webhook"
    ),
    "rejectedrequest": Empty(
        "Nothing was refused",
        "Messages without a valid signature appear here. Many of them at once can mean that the"
        " signing secret is wrong.",
        "block",
    ),
    "rejectedminute": Empty(
        "Nothing was refused",
        "When very many messages are refused, they are counted here by the minute.",
        "schedule",
    ),
    "proofrun": Empty(
        "No proofs yet",
        "Each run of verify_record, verify_books and redecide is listed here with its result."
        " The nightly timer runs all three.",
        "verified",
    ),
    "standinswitch": Empty(
        "Never switched by hand",
        "Each time stand-in is switched on or off, who did it and why is recorded here.",
        "offline_bolt",
    ),
    "instruction": Empty(
        "Nothing is in force beside the policies",
        "Freezes, blocks, own amounts, exceptions and who is left out are listed here until they"
        " end, are lifted or are used.",
        "front_hand",
    ),
    "fundentry": Empty(
        "No funds yet",
        "What is added to a limit of funds is listed here. Add some on the page of a card,"
        " cardholder or group.",
        "savings",
    ),
    "historyentry": Empty(
        "No change yet",
        "Each change of policies, limits, cards, groups and users appears here, with its author.",
        "history",
    ),
    "export": Empty(
        "No export yet",
        "Each export is recorded here, with who made it. Export from the lists of the record.",
        "download",
    ),
    "user": Empty("No user yet", "Add the people who work at this desk.", "badge", "Add a user"),
    "group": Empty(
        "No role yet", "A role says what its users may see and do.", "key", "Add a role"
    ),
}
_OTHERS = Empty("Nothing here yet", "Rows appear here as soon as there are some.")


def empty_state(model_name: str, query: QueryDict) -> Empty:
    """The text of an empty list; `query` is that of its address."""
    return NOTHING_MATCHES if query else _LISTS.get(model_name, _OTHERS)
