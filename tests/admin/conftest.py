"""Staff who are logged in, by role."""

from collections.abc import Callable

import pytest
from django.contrib.auth.models import Group, User
from django.test import Client

Login = Callable[[str], Client]


@pytest.fixture
def staff(roles: None) -> Callable[[str], User]:
    """Makes a member of staff with a role: Operations, Auditors, superuser, or none."""

    def make(role: str) -> User:
        name = role.lower() or "nobody"
        is_super = role == "superuser"
        user = User.objects.create_user(
            name, password="pass-word-1", is_staff=True, is_superuser=is_super, first_name=name
        )
        if role and not is_super:
            user.groups.add(Group.objects.get(name=role))
        return user

    return make


@pytest.fixture
def login(staff: Callable[[str], User]) -> Login:
    """A client logged in as somebody with the role."""

    def log_in(role: str) -> Client:
        client = Client()
        client.force_login(staff(role))
        return client

    return log_in


@pytest.fixture
def operator(login: Login) -> Client:
    return login("Operations")


@pytest.fixture
def auditor(login: Login) -> Client:
    return login("Auditors")
