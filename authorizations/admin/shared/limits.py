"""The limit that the address of a page names, and the scope that the page is about."""

from typing import NamedTuple

from django.core.exceptions import PermissionDenied
from django.db.models import Model
from django.http import Http404, HttpRequest
from django.shortcuts import get_object_or_404

from authorizations.admin.shared.links import SCOPE_MODELS
from authorizations.models import CardGroup, Cardholder, Policy
from authorizations.rules.basics.controls import LimitControl, Scope, ScopeKind, member_of, scope_of
from authorizations.services.policies import own_amounts


class NamedScope(NamedTuple):
    """A scope with its row; a member's is the cardholder. `name` is the scope's, in words."""

    scope: Scope
    row: Model
    name: str


class LimitOfScope(NamedTuple):
    """A limit of a policy, and a scope as NamedScope has it."""

    scope: Scope
    row: Model
    name: str
    policy: Policy
    limit: LimitControl


def limit_in(request: HttpRequest) -> LimitOfScope:
    """What `scope`, `policy` and `limit` of the address name.

    Raises PermissionDenied for users who may not see policies, and Http404.
    """
    if not request.user.has_perm("authorizations.view_policy"):
        raise PermissionDenied
    scope, row, name = named_scope(request.GET.get("scope", ""))
    key = request.GET.get("policy", "")
    is_key = key.isascii() and key.isdecimal() and len(key) < 19
    policies = Policy.objects.select_related("current_version")
    policy = get_object_or_404(policies, pk=key if is_key else 0)
    limits = {limit.key: limit for limit in own_amounts.limits_of(policy)}
    limit = limits.get(request.GET.get("limit", ""))
    if limit is None:
        raise Http404
    return LimitOfScope(scope, row, name, policy, limit)


def named_scope(key: str) -> NamedScope:
    """The scope that a key names. Raises Http404."""
    try:
        scope = scope_of(key)
        if scope.kind is ScopeKind.MEMBER:
            group_id, cardholder_id = member_of(scope)
            group = get_object_or_404(CardGroup, pk=group_id)
            row: Model = get_object_or_404(Cardholder, pk=cardholder_id)
            return NamedScope(scope, row, f"{row} in {group}")
        row = get_object_or_404(SCOPE_MODELS[scope.kind]._default_manager.all(), pk=scope.id)
    except (ValueError, KeyError, OverflowError):
        raise Http404 from None
    return NamedScope(scope, row, str(row))
