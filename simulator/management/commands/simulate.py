"""manage.py simulate"""

import secrets
from argparse import ArgumentParser
from collections.abc import Iterator
from contextlib import closing, contextmanager
from random import Random
from time import time
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse
from rich.console import Console
from rich.progress import Progress

from authorizations.management.terminal import console_of
from simulator.cast import CAST, extras
from simulator.door import Door, UnansweredError
from simulator.exact import UnclearError, Wish, order
from simulator.lives import life
from simulator.mix import USUAL, parse_mix
from simulator.post import Pace, Post
from simulator.report import Tally, print_answer, print_question
from simulator.report_lives import LivesTally
from simulator.scene import Clock
from simulator.street import Kind, Maker, Street, anybody, outcome_event

# So that a long run isn't declined for the limits of the demo's few cards.
_REQUESTS_PER_STRANGER = 20
_LIFE_SECONDS = 30
"""How long ago a life begins: each step takes a second, so all of them are in the past."""
_WISHES = {
    "card": "The card: an id (ic_…) or the last four digits of one of the demo's cards.",
    "amount": 'The amount, such as "45.00".',
    "currency": "The card's currency, such as usd.",
    "merchant": "The shop: (part of) the name of a sample shop, or any other name.",
    "category": "The kind of shop: Stripe's category name or an MCC, such as 5812.",
    "country": "The shop's country, such as FR.",
}


class Command(BaseCommand):
    help = (
        "Sends purchases to a running server over HTTP, as Stripe would: signed authorization "
        "requests, each followed by the event with its outcome. Without options, one purchase, "
        "whose answer is printed in words; with --count, many different ones and a table of the "
        "answers; with options that describe a purchase, that one. With --lives, whole lives of "
        "authorizations, up to their capture, expiry or refund."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--url", default="http://127.0.0.1:4242/webhook", help="The webhook.")
        parser.add_argument("--count", type=int, default=1, help="Number of requests to send.")
        parser.add_argument("--rate", type=float, help="Maximum requests a second.")
        parser.add_argument(
            "--seed",
            help="The same seed makes the same purchases with the same ids. Default: random.",
        )
        parser.add_argument(
            "--begin",
            type=int,
            metavar="UNIX_SECONDS",
            help="When the first request was created; each further one is a second later. Default: "
            "now. With the same seed and time, the requests are identical and get the recorded "
            "answers; at a different time, they are different requests under the same ids.",
        )
        for name, text in _WISHES.items():
            parser.add_argument(f"--{name}", help=text)
        parser.add_argument("--lives", type=int, help="Number of whole lives to play.")
        parser.add_argument(
            "--mix",
            help='The endings of lives with their weights: "capture=60,void=10". Endings that are '
            "not named do not occur. Default: "
            f"{', '.join(f'{name}={weight}' for name, weight in USUAL.items())}",
        )
        parser.add_argument(
            "--out-of-order",
            action="store_true",
            help="Deliver events that are not requests in any order, mixed with those of other "
            "lives.",
        )
        parser.add_argument("--duplicates", action="store_true", help="Deliver some events twice.")

    def handle(self, *_: Any, **options: Any) -> None:
        console = console_of(self.stdout)
        if not settings.STRIPE_WEBHOOK_SECRETS:
            raise CommandError(
                "STRIPE_WEBHOOK_SECRET is not set, so nothing can be signed. `make run` writes a "
                ".env that has one; set it to the same as the server's."
            )
        try:
            self._simulate(console, options)
        except (UnansweredError, UnclearError) as problem:
            raise CommandError(str(problem)) from None

    def _simulate(self, console: Console, options: dict[str, Any]) -> None:
        count, rate = options["count"], options["rate"]
        if count < 1 or (rate is not None and rate <= 0):
            raise CommandError("--count and --rate must be above 0.")
        seed = options["seed"] or secrets.token_hex(8)
        wish = Wish(**{name: options[name] for name in _WISHES})
        if options["lives"] is None:
            for name in ("mix", "out_of_order", "duplicates"):
                if options[name]:
                    raise CommandError(f"--{name.replace('_', '-')} goes with --lives.")
        elif options["lives"] < 1:
            raise CommandError("--lives must be above 0.")
        elif not wish.is_open or count != 1:
            raise CommandError(
                "--lives draws its own purchases: omit --count and the options that describe one."
            )
        if options["lives"]:
            _play_lives(console, seed, options)
            return
        if wish.is_open and count > 1:
            street = Street(seed, anybody(seed, count // _REQUESTS_PER_STRANGER))
        else:
            street = Street(seed, _exactly(wish), repeats=False)
        with closing(Door(options["url"], settings.STRIPE_WEBHOOK_SECRETS[0])) as door:
            if count == 1:
                _send_one(console, door, street, options["begin"])
            else:
                _send_many(console, door, street, options)


def _exactly(wish: Wish) -> Maker:
    described = order(wish)
    return lambda chance, at: (described.member, described.purchase(chance, at))


def _created(number: int, begin: int | None) -> int:
    """When the request with this number is created, in Unix seconds."""
    return int(time()) if begin is None else begin + number


def _send_one(console: Console, door: Door, street: Street, begin: int | None) -> None:
    question = street.question(0, _created(0, begin))
    print_question(console, question)
    answer = door.ask(question.body)
    reply = door.deliver(outcome_event(question, answer))
    # A program other than ours may answer without a decision's id.
    page = reverse("admin:authorizations_decision_change", args=[answer.decision or "unknown"])
    print_answer(console, question, answer, door.base + page)
    if reply.is_refusal:
        console.print(
            f"The event with the outcome was sent, too: {door.refusal(reply)}", style="red"
        )


def _send_many(console: Console, door: Door, street: Street, options: dict[str, Any]) -> None:
    tally, pace = Tally(), Pace(options["rate"])
    with _until_stopped(console, tally) as progress:
        for place in progress.track(range(options["count"]), description="Sending"):
            pace.wait()
            question = street.question(place, _created(place, options["begin"]))
            answer = door.ask(question.body)
            street.hear(question, answer)
            tally.add(question, answer)
            if question.kind is not Kind.REPEAT:
                reply = door.deliver(outcome_event(question, answer))
                tally.add_outcome_event(door.refusal(reply) if reply.is_refusal else "")


def _play_lives(console: Console, seed: str, options: dict[str, Any]) -> None:
    count = options["lives"]
    mix = parse_mix(options["mix"]) if options["mix"] is not None else USUAL
    members = [*CAST, *extras(count // _REQUESTS_PER_STRANGER, _chance(seed))]
    with closing(Door(options["url"], settings.STRIPE_WEBHOOK_SECRETS[0])) as door:
        post = Post(
            door,
            Pace(options["rate"]),
            _chance(f"{seed}/post"),
            out_of_order=options["out_of_order"],
            duplicates=options["duplicates"],
        )
        with _until_stopped(console, post.tally) as progress:
            for place in progress.track(range(count), description="Playing"):
                began = _created(place, options["begin"]) - _LIFE_SECONDS
                clock = Clock(began, longest_pause_seconds=1)
                post.play(life(_chance(f"{seed}/{place}"), mix, members, clock))
            post.finish()


def _chance(seed: str) -> Random:
    return Random(seed)  # noqa: S311 - nothing secret


@contextmanager
def _until_stopped(console: Console, tally: Tally | LivesTally) -> Iterator[Progress]:
    """Print the tally at the end, also after an error or Ctrl-C."""
    try:
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            yield progress
    except KeyboardInterrupt:
        console.print("Stopped.")
    finally:
        tally.print(console)
