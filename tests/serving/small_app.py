"""An ASGI application that is loaded at once: it answers with its process's id.

/slow takes a while. While the file that SMALL_APP_IS_BROKEN names is there, it can't be loaded.
"""

import asyncio
import os
from pathlib import Path
from typing import Any

from django.core.exceptions import ImproperlyConfigured

if Path(os.environ.get("SMALL_APP_IS_BROKEN") or "/nowhere").exists():
    raise ImproperlyConfigured("The small application is broken.")

SLOW_S = 0.5


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        for said in ("startup", "shutdown"):
            await receive()
            await send({"type": f"lifespan.{said}.complete"})
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(SLOW_S)
    if scope["path"] == "/hang":
        os.kill(os.getpid(), 19)  # SIGSTOP
    body = str(os.getpid()).encode()
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})
