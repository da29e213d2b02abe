"""gunicorn for one of the desk's two instances; INSTANCE says which.

    INSTANCE=webhook  answers Stripe
    INSTANCE=admin    serves people, whose exports and lists may take long

There are two so that no export delays a decision. Both listen on this machine only, behind nginx.
Under systemd the units hold the sockets (systemd/*.socket); otherwise ADDRESS says where to listen.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Instance:
    address: str
    workers: int
    threads: int
    timeout: int
    """Seconds of silence after which a worker is replaced."""
    backlog: int
    """Maximum connections that wait, for example during a start; under systemd, the .socket unit
    sets it. A purchase that waits long is answered by stand-in.
    """
    max_requests: int
    """Requests after which a worker is replaced, approximately; 0 for never."""


INSTANCES = {
    # No max_requests: while a worker is replaced there is one less, and it is the admin's libraries
    # that leak memory.
    # As many threads as the pool keeps connections open (settings.py), so that no purchase has to
    # wait for one.
    "webhook": Instance("127.0.0.1:8001", 2, 4, timeout=10, backlog=1024, max_requests=0),
    # An export occupies a thread, and one of the pool's 16 connections, until its reader has all of
    # it. Some connections remain for the background.
    "admin": Instance("127.0.0.1:8002", 2, 12, timeout=30, backlog=64, max_requests=20_000),
}

name = os.environ.get("INSTANCE", "")
if name not in INSTANCES:
    raise SystemExit(f"INSTANCE is {name!r}; set it to one of: {', '.join(INSTANCES)}.")
instance = INSTANCES[name]

wsgi_app = "authz_project.wsgi"
chdir = str(Path(__file__).resolve().parent.parent)
proc_name = f"desk-{name}"
bind = os.environ.get("ADDRESS", instance.address)
backlog = instance.backlog

# A client that is slow to read its answer blocks one thread, not a worker.
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", instance.workers))
threads = instance.threads
# gunicorn trusts nginx, which is on the same machine, but no header may set a path.
forwarder_headers = ""
# Each worker opens a pool of database connections of its own.
preload_app = False

timeout = instance.timeout
# A worker that is replaced or stopped finishes what it began. A decision takes less than a second;
# an export that takes longer than this is interrupted, and recorded as incomplete.
graceful_timeout = 30
# nginx keeps connections open and must be the one to close them: a request sent on a connection
# that gunicorn is closing would be lost.
keepalive = 75
max_requests = instance.max_requests
max_requests_jitter = instance.max_requests // 5

# Workers report that they are alive by touching a file; on a busy disk, that could take longer than
# the timeout.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
control_socket_disable = True

# The limits of nginx (deploy/nginx/desk.conf).
limit_request_line = 8190
limit_request_fields = 64
limit_request_field_size = 8190
# Only the proxy on this machine may say that a request came by HTTPS.
forwarded_allow_ips = "127.0.0.1,::1"

# By default gunicorn notifies systemd before any worker has loaded the program.
systemd = os.environ.pop("NOTIFY_SOCKET", "")

errorlog = "-"
accesslog = None  # nginx writes one


def when_ready(arbiter: Any) -> None:
    """Called once gunicorn listens, while its workers load the program."""
    if systemd:
        # Can be imported only after gunicorn has changed to `chdir`.
        from authz_project import rolling_reload  # noqa: PLC0415

        rolling_reload.notify_once_all_answer(arbiter, systemd)


def on_reload(arbiter: Any) -> None:
    """Called on SIGHUP: the old workers stop once the new ones answer."""
    from authz_project import rolling_reload  # noqa: PLC0415

    rolling_reload.on_reload(arbiter)


def post_worker_init(worker: Any) -> None:
    """Called once a worker has loaded the program and answers."""
    from authz_project import whole_answers  # noqa: PLC0415

    whole_answers.use()
    worker.log.info("Worker ready (pid: %s)", worker.pid)
