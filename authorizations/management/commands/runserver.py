"""manage.py runserver, on port 4242, which prints what to do next."""

import errno
import os
import shlex
import signal
import socket
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.staticfiles.management.commands import runserver
from django.core.management.base import CommandError
from django.core.servers.basehttp import WSGIServer
from django.db import connections
from django.urls import reverse
from django.utils.autoreload import DJANGO_AUTORELOAD_ENV

from authorizations.checks import refuse_unsafe_start
from authorizations.services.runtime import pool, tables
from authorizations.web.demo_logins import LOGINS, PASSWORD
from authorizations.wire.endpoints import listen_command

_LOOK_EVERY_S = 1.0


class Server(WSGIServer):
    """Accepts bursts of new connections, and answers without waiting for the client's ACK."""

    request_queue_size = 128

    def get_request(self) -> tuple[socket.socket, Any]:
        request, address = super().get_request()
        # Headers and body are two packets: Nagle's algorithm would delay the second by 40 ms.
        request.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return request, address


class Command(runserver.Command):
    default_port = "4242"
    server_cls = Server
    # Set by Django once the options are read.
    addr: str
    port: str
    use_ipv6: bool
    _raw_ipv6: bool

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_unsafe_start()  # otherwise Django complains of ALLOWED_HOSTS only
        super().handle(*args, **options)

    def run(self, **options: Any) -> None:
        if os.environ.get(DJANGO_AUTORELOAD_ENV) == "true":  # the reloader's child
            threading.Thread(target=_end_after, args=(os.getppid(),), daemon=True).start()
        else:
            self._refuse_taken_port()
            pool.knock()  # here, because the reloader would continue after the error
            tables.refuse_an_earlier_form()
            connections.close_all()
        super().run(**options)

    def _refuse_taken_port(self) -> None:
        """Raise CommandError if the port can't be used, before anything else is started."""
        family = socket.AF_INET6 if self.use_ipv6 else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((self.addr, int(self.port)))
            except OSError as problem:
                if problem.errno == errno.EADDRINUSE:
                    raise CommandError(
                        f"Port {self.port} is in use, perhaps by this program in another window. "
                        "Stop what runs there, or choose a different port: "
                        "`python manage.py runserver 4243`."
                    ) from None
                raise CommandError(
                    f"Nothing can listen on {self.addr}:{self.port}: {problem.strerror}."
                ) from None

    def on_bind(self, server_port: int) -> None:
        host = f"[{self.addr}]" if self._raw_ipv6 else self.addr.replace("0.0.0.0", "127.0.0.1")  # noqa: S104
        url = f"http://{host}:{server_port}"
        usual = str(server_port) == self.default_port
        self.stdout.write(
            f"\nListening on {url} (Ctrl-C stops it; this server is for development).\n\n"
            f"  Admin            {url}{reverse('admin:index')}{_logins()}\n"
            f"  Send a purchase  {python()} manage.py simulate"
            f"{'' if usual else f' --url {url}/webhook'}\n"
            f"  From Stripe      {listen_command(server_port)}\n"
            "                   after `stripe login`. The Stripe CLI replaces two endpoints, which "
            "you register\n                   at Stripe later, each with a secret of its own, and "
            "with the time-out default\n                   set to decline: README, Connect "
            "Stripe.\n"
        )
        self.stdout.flush()  # for readers of a pipe


def python() -> str:
    """The running interpreter, as one would type it in this directory."""
    path = Path(sys.executable)
    with suppress(ValueError):  # it is outside
        path = path.relative_to(Path.cwd())
    return shlex.quote(str(path))


def _end_after(parent: int) -> None:
    """End this process once the reloader was killed, so that the embedded database ends too."""
    while os.getppid() == parent:
        time.sleep(_LOOK_EVERY_S)
    os.kill(os.getpid(), signal.SIGTERM)


def _logins() -> str:
    """A line that names the demo's log-ins, if they exist."""
    if not settings.DEBUG:
        return ""
    names = list(User.objects.filter(username__in=LOGINS).values_list("username", flat=True))
    connections.close_all()
    if not names:
        return ""
    existing = ", ".join(name for name in LOGINS if name in names)
    return f"\n                   log in as {existing} (password, unless changed: {PASSWORD})"
