"""One process of the webhook's instance: uvicorn, on connections that the supervisor accepts.

    python -m authz_project.serving.process CHANNEL APPLICATION

CHANNEL is the file descriptor of a socket to the supervisor. From it come connections; to it goes
a byte once the application is loaded, and then one every second. If the supervisor ends, this
process finishes what it has begun and ends as well.
"""

import asyncio
import gc
import importlib
import signal
import socket
import sys
from contextlib import suppress
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from uvicorn import Config, Server

from authz_project.serving.protocol import Protocol

ALIVE = b"."
ALIVE_EVERY_S = 1.0
KEEP_ALIVE_S = 75
"""nginx keeps connections open and must be the one to close them (deploy/nginx/desk.conf)."""

MAX_CONNECTIONS = 800
"""Connections of this process; a request on a further one gets status 503. With files and the
database's connections it has less than 1,024, the usual limit of a shell."""

LAST_CONNECTIONS_S = 1.0
"""Maximum time to wait until the supervisor gives this process no more connections."""

GRACE_S = 20
"""Maximum time to finish what was begun."""


class ProcessServer(Server):
    """uvicorn's server, without a socket of its own to listen on."""

    def __init__(self, config: Config, channel: socket.socket) -> None:
        super().__init__(config)
        self._channel = channel
        self._opening: set[asyncio.Task[Any]] = set()
        self._has_all = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        """Begin to take connections, and say so."""
        await super().startup(sockets=[])
        self._channel.settimeout(0)
        asyncio.get_running_loop().add_reader(self._channel.fileno(), self._receive)
        self._say_alive()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:  # noqa: ARG002
        """Take what is still in the channel, and finish all that was begun.

        The supervisor hears first that this process ends: it gives it no more, and says so.
        """
        with suppress(OSError):
            self._channel.shutdown(socket.SHUT_WR)
        with suppress(TimeoutError):
            async with asyncio.timeout(LAST_CONNECTIONS_S):
                await self._has_all.wait()
        await super().shutdown(sockets=[])
        asyncio.get_running_loop().remove_reader(self._channel.fileno())

    def _say_alive(self) -> None:
        try:
            self._channel.send(ALIVE)
        except BlockingIOError:  # it has heard enough
            pass
        except OSError:
            return
        asyncio.get_running_loop().call_later(ALIVE_EVERY_S, self._say_alive)

    def _receive(self) -> None:
        """Take all connections that the channel holds."""
        loop = asyncio.get_running_loop()
        while True:
            try:
                # One byte a connection, and never more than one connection at a time.
                mark, files, _, _ = socket.recv_fds(self._channel, 1, 1)
            except BlockingIOError:
                return
            except OSError:
                mark, files = b"", []
            if not mark:  # the supervisor gives it no more, or has ended
                loop.remove_reader(self._channel.fileno())
                self._has_all.set()
                self.should_exit = True
                return
            for file in files:
                opening = loop.create_task(self._open(socket.socket(fileno=file)))
                self._opening.add(opening)
                opening.add_done_callback(self._opening.discard)

    async def _open(self, connection: socket.socket) -> None:
        connection.settimeout(0)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)
        except OSError:  # its client has left
            connection.close()

    def _protocol(self) -> Protocol:
        return Protocol(
            config=self.config,
            server_state=self.server_state,
            app_state={},
            is_draining=self.should_exit,
        )


def main() -> None:
    """Load the application, serve, and end in good order."""
    channel = socket.socket(fileno=int(sys.argv[1]))
    module, _, name = sys.argv[2].partition(":")
    # Ctrl-C and a terminal that closes reach all processes; the supervisor says what to do.
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    try:
        application = getattr(importlib.import_module(module), name)
    except ImproperlyConfigured as problem:
        sys.exit(str(problem))
    gc.collect()
    gc.freeze()  # what is loaded stays, and need not be looked through again and again
    config = Config(
        application,
        loop="uvloop",
        http=Protocol,
        ws="none",
        lifespan="on",
        interface="asgi3",
        log_config=None,
        access_log=False,  # nginx writes one
        proxy_headers=False,  # web/peers.py knows whom to believe
        server_header=False,
        date_header=False,  # nginx sets both
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
    )
    server = ProcessServer(config, channel)
    # uvicorn raises SIGTERM once more when it has stopped; by default, that would end the process
    # before it has written what is left.
    signal.signal(signal.SIGTERM, server.handle_exit)
    server.run()


if __name__ == "__main__":
    main()
