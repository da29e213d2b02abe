"""gunicorn for the admin's instance, which serves people; deploy/start starts it.

Under systemd the unit holds the socket (systemd/desk@admin.socket); otherwise ADDRESS says where to
listen.
"""

import os
from pathlib import Path
from typing import Any

wsgi_app = "authz_project.wsgi"
chdir = str(Path(__file__).resolve().parent.parent)
proc_name = "desk-admin"
bind = os.environ.get("ADDRESS", "127.0.0.1:8002")
# Connections that wait, for example during a start; under systemd, the .socket unit sets it.
backlog = 64

# A client that is slow to read its answer blocks one thread, not a worker.
worker_class = "gthread"
workers = int(os.environ.get("WEB_CONCURRENCY", "2"))
# An export occupies a thread until its reader has all of it, and a heavy page occupies one while it
# waits for its turn; neither holds one of the pool's 16 connections meanwhile. Heavy pages have 12
# threads at most (authorizations/web/heavy_reads.py), so that some remain for light ones.
threads = 16
# gunicorn trusts nginx, which is on the same machine, but no header may set a path.
forwarder_headers = ""
# Each worker opens a pool of database connections of its own.
preload_app = False

# Seconds of silence after which a worker is replaced.
timeout = 30
# A worker that is replaced or stopped finishes what it began. An export that takes longer than this
# is interrupted, and recorded as incomplete.
graceful_timeout = 30
# nginx keeps connections open and must be the one to close them: a request sent on a connection
# that gunicorn is closing would be lost.
keepalive = 75
# The libraries of the admin leak memory.
max_requests = 20_000
max_requests_jitter = 4_000

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
    worker.log.info("Worker ready (pid: %s)", worker.pid)
