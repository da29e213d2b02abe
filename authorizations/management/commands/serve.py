"""manage.py serve: the server that answers Stripe, as it is meant to be run."""

import errno
import os
import socket
import sys
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

from authorizations.checks import refuse_unsafe_start
from authz_project.serving import supervisor
from authz_project.serving.notify import sockets_handed_over

DEFAULT_ADDRESS = "127.0.0.1:8001"
BACKLOG = 1024
"""Connections that wait, for example during a start; under systemd, the .socket unit sets it."""


class Command(BaseCommand):
    help = (
        "Answers Stripe's webhook at /webhook, and /healthz, /readyz and /metrics. SIGTERM ends it "
        "once everything begun is finished; SIGHUP replaces its processes, the new ones first. "
        "Under systemd it listens on the sockets that it is handed."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--bind", metavar="HOST:PORT", help=f"where to listen; default: {DEFAULT_ADDRESS}"
        )
        parser.add_argument(
            "--processes",
            type=int,
            default=2,
            help="how many processes answer, best one for each processor; default: 2",
        )

    def handle(self, **options: Any) -> None:
        refuse_unsafe_start()
        if not 1 <= options["processes"] <= 64:
            raise CommandError("--processes takes a number from 1 to 64.")
        files = sockets_handed_over()
        if files and options["bind"]:
            raise CommandError("systemd hands over the socket to listen on: leave out --bind.")
        files = files or [_listening(options["bind"] or DEFAULT_ADDRESS).detach()]
        command = [sys.executable, "-m", supervisor.__name__]
        for file in files:
            os.set_inheritable(file, True)  # noqa: FBT003 - its signature
            command += ["--fd", str(file)]
        command += ["--processes", str(options["processes"])]
        if not settings.DEBUG:
            command.append("--json")
        os.chdir(supervisor.PROJECT)
        sys.stdout.flush()
        # The same process, without the hundred modules that it needs no more.
        os.execv(sys.executable, command)  # noqa: S606


def _listening(address: str) -> socket.socket:
    """A socket that listens there. Raises CommandError."""
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not (host and port.isascii() and port.isdecimal() and int(port) < 2**16):
        raise CommandError(
            f"--bind is {address}; write an address and a port, such as {DEFAULT_ADDRESS}."
        )
    try:
        [(family, _, _, _, target), *_] = socket.getaddrinfo(
            host, int(port), type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
        return socket.create_server(target, family=family, backlog=BACKLOG)
    except OSError as problem:
        if problem.errno == errno.EADDRINUSE:
            raise CommandError(
                f"Port {port} is in use, perhaps by this program in another window. Stop what "
                f"runs there, or choose a different port: --bind {host}:{int(port) + 1}."
            ) from None
        raise CommandError(f"Nothing can listen on {address}: {problem.strerror}.") from None
