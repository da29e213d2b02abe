"""Log-ins that end after hours without a click, and for good some hours after they began.

Without a write for every click.
"""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib.messages.storage.cookie import CookieStorage
from django.contrib.messages.storage.fallback import FallbackStorage
from django.contrib.messages.storage.session import SessionStorage
from django.contrib.sessions.backends import db
from django.utils import timezone

STEP = timedelta(minutes=5)
"""So much sooner than after SESSION_HOURS a log-in may end: its row is renewed this often."""

BEGAN = "began_at"
"""When the session began, in Unix seconds. A log-in begins it anew."""


class SessionStore(db.SessionStore):
    """Django's sessions in the database; one that is used is renewed now and then.

    One that is older than SESSION_MAX_AGE_S, or does not say when it began, is over.
    """

    def load(self) -> dict[str, Any]:
        row = self._get_session_from_db()  # type: ignore[attr-defined] # Django documents it
        if row is None:
            return {}
        found: dict[str, Any] = self.decode(row.session_data)
        now = timezone.now()
        if now.timestamp() - found.get(BEGAN, 0) >= settings.SESSION_MAX_AGE_S:
            self._session_key = None
            return {}
        used_for = timedelta(seconds=self.get_session_cookie_age())
        if row.expire_date - now < used_for - STEP:
            self.modified = True
        return found

    def save(self, must_create: bool = False) -> None:  # noqa: FBT001, FBT002 - Django's signature
        session = self._get_session(no_load=must_create)  # type: ignore[attr-defined]
        session.setdefault(BEGAN, timezone.now().timestamp())
        super().save(must_create)

    def cycle_key(self) -> None:
        """A new key and a new beginning: who logs in or changes their password has proven again
        who they are.
        """
        self[BEGAN] = timezone.now().timestamp()
        super().cycle_key()


class _HostCookieStorage(CookieStorage):
    cookie_name = "__Host-messages" if settings.SESSION_COOKIE_SECURE else "messages"


class MessageStorage(FallbackStorage):
    """Django's, whose cookie too is taken by browsers only from this very host."""

    storage_classes = (_HostCookieStorage, SessionStorage)
