"""Ends with status 0 if this container's server may be sent requests; otherwise says why not.

    python deploy/container/healthy.py

ADDRESS is where the server listens, as for deploy/start.
"""

import http.client
import os
import sys

PATIENCE_S = 4

port = os.environ["ADDRESS"].rpartition(":")[2]
# One of the names it answers to.
host = os.environ.get("ALLOWED_HOSTS", "").partition(",")[0] or "localhost"
asked = http.client.HTTPConnection("127.0.0.1", int(port), timeout=PATIENCE_S)
try:
    asked.request("GET", "/readyz", headers={"Host": host})
    answer = asked.getresponse()
    said = answer.read().decode(errors="replace")
except (OSError, http.client.HTTPException) as problem:
    sys.exit(f"Port {port} does not answer: {problem!r}")
if answer.status != http.client.OK:
    sys.exit(f"{answer.status}: {said}")
print(said)
