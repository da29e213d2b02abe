"""The real Stripe CLI before a real desk: `stripe listen` as the start-up text prints it, with
versions before and after 1.51, from which on it ends with an error where no events are named.

Stripe's side is the small service of stripe_cli_service. The CLI forwards every event of the list
to the desk, among them what its three triggers of a request ask, and brings back the answers.
"""

import json
import shlex
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from queue import Empty
from random import Random
from urllib.parse import urlsplit
from urllib.request import urlopen

from authorizations.wire.endpoints import ALL, listen_command
from simulator.stripe.sample_cards import card, cardholder
from simulator.stripe.sample_disputes import dispute, dispute_event
from simulator.stripe.sample_lives import Life
from simulator.stripe.sample_transactions import card_event, cardholder_event, transaction_updated
from simulator.stripe.samples import Json, Purchase, identifier
from tests.pictures.desk import environment, manage, running
from tests.prove import CANNOT_RUN
from tests.prove.stripe_cli_service import PATIENCE_S, Service, service

VERSIONS = ("1.42.14", "1.50.11", "1.51.1", "1.52.0")
NEEDS_EVENTS = ("1.51.1", "1.52.0")
CURRENCIES = ("usd", "eur", "gbp")
"""Of stripe trigger issuing_authorization.request, .request.eu and .request.gb."""

_KEY = "sk_test_1234567890123456"
_LISTENS_S = 5
"""So long a CLI that listens is waited for: one that refuses ends at once."""


class NotForwardedError(Exception):
    """What the CLI did not do; the text ends with what it printed."""


def main() -> int:
    """The status to end with."""
    if shutil.which("npm") is None:
        print("npm is not here, with which the Stripe CLI is installed: apt-get install npm.")
        return CANNOT_RUN
    with tempfile.TemporaryDirectory(prefix="desk-cli-") as directory:
        folder = Path(directory)
        folder.chmod(0o755)  # as root, PostgreSQL runs as somebody else
        programs = {version: _installed(version, folder) for version in VERSIONS}
        if missing := [version for version, program in programs.items() if program is None]:
            print(f"npm can't install @stripe/cli@{missing[0]} here.")
            return CANNOT_RUN
        settings = environment(folder / "postgres")
        manage(settings, "migrate", "--verbosity", "0")
        manage(settings, "load_demo")
        with running(settings) as url, service(settings["STRIPE_WEBHOOK_SECRET"]) as stripe:
            faults = [
                fault
                for version, program in programs.items()
                if program
                for fault in _tried(version, program, url, stripe, folder)
            ]
            faults += _unapplied(url)
    for fault in faults:
        print(fault)
    forwarded = f"{len(ALL)} kinds of event and {len(CURRENCIES)} triggered requests"
    print("Something is wrong." if faults else f"{', '.join(VERSIONS)}: {forwarded} answered.")
    return int(bool(faults))


def _installed(version: str, folder: Path) -> Path | None:
    """The program itself, not npm's wrapper; None where npm can't have it."""
    place = folder / version
    place.mkdir()
    command = [
        "npm",
        "install",
        "--no-audit",
        "--no-fund",
        "--ignore-scripts",
        "--prefix",
        str(place),
    ]
    done = subprocess.run(
        [*command, f"@stripe/cli@{version}"], capture_output=True, text=True, check=False
    )
    print(done.stderr if done.returncode else f"Installed {version}.", flush=True)
    return next(iter(place.glob("node_modules/@stripe/cli-*/bin/stripe")), None)


def _tried(version: str, program: Path, url: str, stripe: Service, folder: Path) -> Iterator[str]:
    port = urlsplit(url).port or 80
    words = shlex.split(listen_command(port))
    try:
        with _listening(program, words[1:], stripe, folder) as forward:
            for currency in CURRENCIES:
                yield from _asked(version, forward(_triggered(currency)))
            for event in _one_of_each():
                told = forward(event)
                if told["status"] != 200:
                    yield f"{version}: {event['type']} got {told['status']}: {told['body']}"
    except NotForwardedError as problem:
        yield f"{version}: {problem}"
    short = ["listen", "--forward-to", words[-1]]
    if version in NEEDS_EVENTS and not _ends_with_an_error(program, short, stripe, folder):
        yield f"{version}: listens without --events too, so the docs are wrong about it."


def _asked(version: str, told: Json) -> Iterator[str]:
    answer = json.loads(told["body"]) if told["status"] == 200 else {}
    versions = [value for name, value in told["http_headers"].items() if name == "Stripe-Version"]
    if answer.get("approved") is not True or not versions:
        yield f"{version}: a triggered request was not approved: {told}"


@contextmanager
def _listening(
    program: Path, words: list[str], stripe: Service, folder: Path
) -> Iterator[Callable[[Json], Json]]:
    """Forwards an event and returns what the CLI brought back. Raises NotForwardedError."""
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            _command(program, words, stripe),
            env=_environment(folder),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        try:
            cli = stripe.connected.get(timeout=PATIENCE_S)
            yield partial(stripe.forwarded, cli)
        except Empty:
            raise NotForwardedError(f"no answer in time. {log.read_text()}") from None
        finally:
            process.terminate()
            process.wait()
    if "isn't a valid event" in log.read_text():
        raise NotForwardedError(log.read_text())


def _ends_with_an_error(program: Path, words: list[str], stripe: Service, folder: Path) -> bool:
    try:
        done = subprocess.run(
            _command(program, words, stripe),
            env=_environment(folder),
            capture_output=True,
            timeout=_LISTENS_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        stripe.connected.get()
        return False
    return done.returncode != 0


def _command(program: Path, words: list[str], stripe: Service) -> list[str]:
    return [str(program), *words, "--skip-update", "--api-base", stripe.base]


def _environment(folder: Path) -> dict[str, str]:
    """Nothing of a developer's own, who may be logged in."""
    return {"HOME": str(folder), "XDG_CONFIG_HOME": str(folder), "STRIPE_API_KEY": _KEY}


def _triggered(currency: str) -> Json:
    """What Stripe asks after a trigger: 1.00 online, with a card made a moment ago."""
    chance = Random(f"{currency}{time.time_ns()}")
    return _life(chance, currency).ask(at=int(time.time()))


def _one_of_each() -> Iterator[Json]:
    """Every event of the list, told of one purchase."""
    chance, at = Random(time.time_ns()), int(time.time())
    life = _life(chance, "eur")
    told = [life.ask(at=at), life.answered(approved=True, at=at)]
    taken, closed = life.capture(at=at)
    over = taken["data"]["object"]
    of_card, holder = life.kept["card"], life.kept["card"]["cardholder"]
    told += [taken, closed]
    told += [transaction_updated(over, at=at, chance=chance, changes={"dispute": "idp_1"})]
    for change in ("created", "updated"):
        told += [
            card_event(of_card, change, at=at, chance=chance),
            cardholder_event(holder, change, at=at, chance=chance),
        ]
    disputed = dispute(over, at=at, chance=chance)
    for kind in ALL:
        if kind.startswith("issuing_dispute."):
            change = kind.removeprefix("issuing_dispute.")
            told.append(dispute_event(disputed, change, at=at, chance=chance))  # type: ignore[arg-type]
    by_type = {event["type"]: event for event in told}
    yield from (by_type[kind] for kind in ALL)


def _life(chance: Random, currency: str) -> Life:
    at = int(time.time())
    holder = cardholder(cardholder_id=identifier("ich", chance), name="My Cardholder", created=at)
    made = card(card_id=identifier("ic", chance), holder=holder, created=at, currency=currency)
    bought = Purchase(
        authorization_id=identifier("iauth", chance),
        created=at,
        amount=100,
        currency=currency,
        method="online",
        cvc="not_provided",
        postal_code="not_provided",
        three_d_secure="",
    )
    return Life(bought, made, chance=chance)


def _unapplied(url: str) -> Iterator[str]:
    """What was answered, but is not in the books."""
    with urlopen(f"{url}/metrics") as answer:  # noqa: S310 - our own
        lines = answer.read().decode().splitlines()
    if "desk_events_not_applied 0.0" not in lines:
        yield "Events were forwarded and answered, but not applied."


if __name__ == "__main__":
    sys.exit(main())
