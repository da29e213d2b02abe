"""Tells systemd how a service is doing: sd_notify(3)."""

import os
import socket
from contextlib import suppress


class Notifier:
    """Sends to the socket that NOTIFY_SOCKET names, which processes started later do not see."""

    def __init__(self) -> None:
        self._address = os.environ.pop("NOTIFY_SOCKET", "")

    def __call__(self, state: str) -> None:
        """Send `state`, such as READY=1, if anybody wants to know."""
        if not self._address:
            return
        with (
            suppress(OSError),  # systemd then does as if it had timed out, and says so
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd,
        ):
            systemd.settimeout(1)
            address = self._address
            systemd.connect(f"\0{address[1:]}" if address.startswith("@") else address)
            systemd.send(state.encode())


def sockets_handed_over() -> list[int]:
    """The file descriptors that systemd holds for this process: sd_listen_fds(3)."""
    if os.environ.get("LISTEN_PID") != str(os.getpid()):
        return []
    count = int(os.environ.get("LISTEN_FDS") or 0)
    return list(range(3, 3 + count))
