"""Sessions that end after SESSION_HOURS without use, and in any case after SESSION_MAX_AGE_S.

The session is not written on every request.
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
"""How often a session in use is written. It may end this much sooner than after SESSION_HOURS."""

BEGAN = "began_at"
"""The session's key for when it began, in Unix seconds. A log-in sets it again."""


class SessionStore(db.SessionStore):
    """Django's sessions in the database, with a maximum age, and written only now and then.

    A session that does not say when it began has ended.
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
        """Begin the session again: at a log-in or change of password, identity was proven."""
        self[BEGAN] = timezone.now().timestamp()
        super().cycle_key()


class _HostCookieStorage(CookieStorage):
    cookie_name = "__Host-messages" if settings.SESSION_COOKIE_SECURE else "messages"


class MessageStorage(FallbackStorage):
    """Django's storage of messages, with a cookie that browsers accept only from this host."""

    storage_classes = (_HostCookieStorage, SessionStorage)
