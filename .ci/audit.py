"""Looks every pinned package up in the index of known vulnerabilities, where that can be reached.

Ends with 1 where a version is known to be vulnerable, and with 0 where nothing could be looked up.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

AUDIT = (
    *(".venv/tools/bin/pip-audit", "--requirement", "requirements-dev.lock", "--require-hashes"),
    *("--disable-pip", "--timeout", "10", "--progress-spinner", "off", "--format", "json"),
)


def main() -> int:
    """The exit code."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "report.json")
        subprocess.run([*AUDIT, "--output", str(report)], capture_output=True, check=False)
        packages = json.loads(report.read_text())["dependencies"] if report.exists() else []
    found = [package for package in packages if "vulns" in package]
    vulnerable = [package for package in found if package["vulns"]]
    for package in vulnerable:
        names = ", ".join(known["id"] for known in package["vulns"])
        print(f"{package['name']} {package['version']}: {names}")
    if vulnerable:
        print("Pin versions without these vulnerabilities in requirements.txt, then make lock.")
    elif found:
        print(f"{len(found)} packages looked up, no known vulnerability.")
    else:
        print("The index of known vulnerabilities can't be reached: no package was looked up.")
    return 1 if vulnerable else 0


if __name__ == "__main__":
    sys.exit(main())
