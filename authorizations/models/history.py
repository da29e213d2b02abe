"""The change history: who made what of policies, cards and people.

Written by triggers only (migration 0004), for changes of every kind and author. An entry says what
the row was and became, which rows it names, and who did it: what `services.runtime.actor` has set
for the transaction, or else the database role alone.
"""

from typing import NamedTuple

from django.contrib.auth.models import Group, User
from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models

from authorizations.models.cards import Card, CardGroup, Cardholder
from authorizations.models.exception_limits import ExceptionLimit
from authorizations.models.policies import (
    Assignment,
    PlanCancellation,
    PlannedVersion,
    Policy,
    ProgramDefaults,
)

SEPARATORS = "/\\|_-.,:;@()[]<>#&+*'\"\N{BULLET}"
"""What parts words for the search."""


class Kind(models.TextChoices):
    """What a change can be of."""

    POLICY = "policy", "Policy"
    PLANNED_VERSION = "plannedversion", "Planned version"
    PLAN_CANCELLATION = "plancancellation", "Cancellation of a planned version"
    ASSIGNMENT = "assignment", "Assignment"
    PROGRAM_DEFAULTS = "programdefaults", "Defaults of new policies"
    CARD_GROUP = "cardgroup", "Card group"
    CARD = "card", "Card"
    CARDHOLDER = "cardholder", "Cardholder"
    USER = "user", "User"
    USER_ROLE = "userrole", "Role of a user"
    USER_PERMISSION = "userpermission", "Permission of a user"
    ROLE = "group", "Role"
    ROLE_PERMISSION = "rolepermission", "Permission of a role"
    EXCEPTION_LIMIT = "exceptionlimit", "Limit of a role"


class Tracked(NamedTuple):
    """A table whose changes are recorded.

    `refers` are the columns that name other rows, by kind; first the one on whose page a change
    belongs most. `left_out` are columns whose change is no news.
    """

    model: type[models.Model]
    kind: Kind
    refers: dict[str, str]
    left_out: tuple[str, ...] = ()

    @property
    def subject(self) -> str:
        """The kind that a change is listed under."""
        return next(iter(self.refers))


_BY_POLICY = {"policy": "policy_id"}
_VERSION = {"policyversion": "version_id"}
_ASSIGNED = {"cardgroup": "group_id", "cardholder": "cardholder_id", "card": "card_id"}
_CARD = {"card": "id", "cardholder": "cardholder_id", "cardgroup": "group_id"}
_FROM_STRIPE = ("details_at", "first_seen", "metadata", "metadata_at")
_ROLE = {"user": "user_id", "group": "group_id"}
_USER_MAY = {"user": "user_id", "permission": "permission_id"}
_ROLE_MAY = {"group": "group_id", "permission": "permission_id"}

TRACKED = (
    Tracked(
        Policy,
        Kind.POLICY,
        {"policy": "id", "policyversion": "current_version_id"},
        ("planned_until",),
    ),
    Tracked(PlannedVersion, Kind.PLANNED_VERSION, _BY_POLICY | _VERSION),
    Tracked(PlanCancellation, Kind.PLAN_CANCELLATION, _BY_POLICY | _VERSION),
    Tracked(Assignment, Kind.ASSIGNMENT, _BY_POLICY | _ASSIGNED, ("scope",)),
    Tracked(ProgramDefaults, Kind.PROGRAM_DEFAULTS, {"programdefaults": "id"}),
    Tracked(CardGroup, Kind.CARD_GROUP, {"cardgroup": "id"}),
    Tracked(Card, Kind.CARD, _CARD, (*_FROM_STRIPE, "own_root")),
    Tracked(Cardholder, Kind.CARDHOLDER, {"cardholder": "id"}, (*_FROM_STRIPE, "folded_name")),
    Tracked(User, Kind.USER, {"user": "id"}, ("last_login", "password")),
    Tracked(User.groups.through, Kind.USER_ROLE, _ROLE),
    Tracked(User.user_permissions.through, Kind.USER_PERMISSION, _USER_MAY),
    Tracked(Group, Kind.ROLE, {"group": "id"}),
    Tracked(Group.permissions.through, Kind.ROLE_PERMISSION, _ROLE_MAY),
    Tracked(ExceptionLimit, Kind.EXCEPTION_LIMIT, {"group": "role_id"}),
)
"""The triggers' arguments, as migration 0004 gives them."""


_NEWEST = ("changed_at", "id")
_VERBS = {"insert": "added", "update": "changed", "delete": "removed"}


class HistoryEntry(models.Model):
    """One row as it was and as it became, changed by a page, a command or plain SQL.

    `names` holds what the change is about: "policy:3" or "card:ic_1", each with its name at that
    time, so a history outlives what it is about. `subject` is the one it is listed under. `work`
    is the same for all changes of one piece of work, of which `facts` say who did it and how.
    """

    class Source(models.TextChoices):
        PAGE = "page", "Staff"
        COMMAND = "command", "Command line"
        DATABASE = "database", "Directly in the database"
        STRIPE = "stripe", "Stripe"

    changed_at = models.DateTimeField()
    operation = models.TextField()
    work = models.UUIDField(null=True)
    facts = models.JSONField(null=True)
    database_role = models.TextField()
    source = models.TextField(choices=Source)
    user_id = models.BigIntegerField(null=True)
    kind = models.TextField(choices=Kind)
    object_id = models.TextField()
    subject = models.TextField()
    subject_id = models.TextField()
    names = models.JSONField()
    before = models.JSONField(null=True)
    after = models.JSONField(null=True)
    words = SearchVectorField()

    class Meta:
        verbose_name = "change"
        verbose_name_plural = "change history"
        default_permissions = ("view",)
        ordering = ("-changed_at", "-id")
        indexes = [
            models.Index(fields=_NEWEST, name="history_newest"),
            models.Index(fields=("subject", *_NEWEST), name="history_of_subject"),
            models.Index(fields=("user_id", *_NEWEST), name="history_of_user"),
            models.Index(fields=("source", *_NEWEST), name="history_of_source"),
            models.Index(
                fields=_NEWEST, condition=~models.Q(source="stripe"), name="history_but_stripes"
            ),
            # For proofs: what a row was before a change.
            models.Index(fields=("kind", "object_id", "-id"), name="history_of_object"),
            GinIndex(fields=("names",), name="history_names"),
            GinIndex(fields=("words",), name="history_words"),
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {_VERBS[self.operation]}"
