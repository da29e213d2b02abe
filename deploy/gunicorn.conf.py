"""gunicorn for one of the desk's two instances; INSTANCE says which.

    INSTANCE=webhook  answers Stripe
    INSTANCE=admin    serves people, whose exports and lists may take their time

Two, so that nobody's export ever stands before a decision. Both listen on this machine only,
behind nginx. Under systemd the units hold the sockets (systemd/*.socket); ADDRESS says where
without it.
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
    """Connections that may wait, as long as a start takes; under systemd the .socket says it. A
    purchase that waits long is answered by stand-in anyway.
    """
    max_requests: int
    """After about so many a worker is replaced by a fresh one; 0: never."""


INSTANCES = {
    # A worker that is replaced while its successor starts is one worker less, and memory that a
    # library leaks is the admin's: no max_requests here.
    # As many threads as the pool keeps connections open (settings.py): none is opened in haste.
    "webhook": Instance("127.0.0.1:8001", 2, 4, timeout=10, backlog=1024, max_requests=0),
    # An export holds a thread, and a connection of the pool's 16, until its reader has all of it;
    # some connections are left for what a process does in the background.
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

# Threads: one client that is slow to take its answer stops one of them, never a worker.
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", instance.workers))
threads = instance.threads
# nginx and we are on one machine, which gunicorn trusts: no header may set a path.
forwarder_headers = ""
# Each worker has a pool of database connections of its own and opens it itself.
preload_app = False

timeout = instance.timeout
# When a worker is replaced or stopped, what was begun is finished. A decision takes less than a
# second; an export that takes longer than this is cut off, and recorded as incomplete.
graceful_timeout = 30
# nginx keeps connections open; it must be the one to close them, or a request sent into a
# connection that is just being closed is lost.
keepalive = 75
max_requests = instance.max_requests
max_requests_jitter = instance.max_requests // 5

# Workers say they are alive by touching a file: on a busy disk that could take longer than the
# time-out.
worker_tmp_dir = "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108
control_socket_disable = True

# What nginx lets through (deploy/nginx/desk.conf), and not more.
limit_request_line = 8190
limit_request_fields = 64
limit_request_field_size = 8190
# Only the proxy on this machine may say that a request came by HTTPS.
forwarded_allow_ips = "127.0.0.1,::1"

# By itself gunicorn tells systemd that it is ready before any worker has loaded the program.
systemd = os.environ.pop("NOTIFY_SOCKET", "")

errorlog = "-"
accesslog = None  # nginx writes one


def when_ready(arbiter: Any) -> None:
    """gunicorn listens; its workers load the program."""
    if systemd:
        # Found only once gunicorn has gone to `chdir`.
        from authz_project import rolling_reload  # noqa: PLC0415

        rolling_reload.tell_once_all_answer(arbiter, systemd)


def on_reload(arbiter: Any) -> None:
    """SIGHUP: the old workers go once new ones answer."""
    from authz_project import rolling_reload  # noqa: PLC0415

    rolling_reload.on_reload(arbiter)


def post_worker_init(worker: Any) -> None:
    """From here on it answers: loading the program took a while."""
    from authz_project import whole_answers  # noqa: PLC0415

    whole_answers.use()
    worker.log.info("Worker ready (pid: %s)", worker.pid)
