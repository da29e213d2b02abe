"""A policy as its page showed it, and what became of it since: for people who edit it together."""

import json
from typing import Any

from authorizations.models import Policy
from authorizations.rules.policy.differences import differences

State = dict[str, Any]


def state(policy: Policy) -> State:
    """The version in force, and the rows beside it: assignments have a page of their own."""
    version = policy.current_version
    return {
        "number": version.number if version else 0,
        "content": version.content if version else "",
        "rows": [
            sorted(policy.spending_limits.values_list("pk", flat=True)),
            sorted(policy.schedule.values_list("pk", flat=True)),
        ],
    }


def changes(shown: State, now: State) -> list[str]:
    """What became what between two states, in sentences."""
    before, after = shown["content"], now["content"]
    rules = differences(json.loads(before), json.loads(after)) if before and after else []
    return [*map(str, rules)]
