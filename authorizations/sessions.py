"""Log-ins that end after hours without a click, without a write for every click."""

from datetime import timedelta
from typing import Any

from django.contrib.sessions.backends import db
from django.utils import timezone

STEP = timedelta(minutes=5)
"""So much sooner than after SESSION_HOURS a log-in may end: its row is renewed this often."""


class SessionStore(db.SessionStore):
    """Django's sessions in the database; one that is used is renewed now and then."""

    def load(self) -> dict[str, Any]:
        row = self._get_session_from_db()  # type: ignore[attr-defined] # Django documents it
        if row is None:
            return {}
        used_for = timedelta(seconds=self.get_session_cookie_age())
        if row.expire_date - timezone.now() < used_for - STEP:
            self.modified = True
        found: dict[str, Any] = self.decode(row.session_data)
        return found
