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
from simulator.street import Kind, Maker, Street, anybody, told_afterwards

# So that a long run isn't only refused for the limits of the few cards of the demo.
_REQUESTS_PER_STRANGER = 20
_LIFE_SECONDS = 30
"""So long ago a life begins, a second for each of its steps: what is told is over."""
_WISHES = {
    "card": "Whose card pays: an id (ic_…) or the last four digits of one of the demo's cards.",
    "amount": 'How much, as money: "45.00".',
    "currency": "The card's currency, such as usd.",
    "merchant": "Where: (part of) the name of one of the sample shops, or any other name.",
    "category": "What kind of shop: Stripe's category name or an MCC, such as 5812.",
    "country": "Where the shop is, such as FR.",
}


class Command(BaseCommand):
    help = (
        "Sends purchases to a running server as Stripe would: signed authorization requests, and "
        "what became of each, over HTTP. Without options one purchase, and its answer in words; "
        "with --count many different ones and a table of the answers; with options that describe "
        "a purchase exactly that one. With --lives whole lives of authorizations, to their "
        "capture, expiry or refund."
    )
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--url", default="http://127.0.0.1:4242/webhook", help="The webhook.")
        parser.add_argument("--count", type=int, default=1, help="How many requests to send.")
        parser.add_argument("--rate", type=float, help="At most so many a second.")
        parser.add_argument(
            "--seed",
            help="The same seed makes the same purchases with the same ids. Random unless given.",
        )
        parser.add_argument(
            "--begin",
            type=int,
            metavar="UNIX_SECONDS",
            help="When the first request was created, each further one a second later; now unless "
            "given. With the same seed these are the very same requests, which get the answers "
            "on record; at another time they are other questions under known ids.",
        )
        for name, told in _WISHES.items():
            parser.add_argument(f"--{name}", help=told)
        _add_arguments_of_lives(parser)

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
        _check_lives(options, alone=wish.is_open and count == 1)
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


def _add_arguments_of_lives(parser: ArgumentParser) -> None:
    parser.add_argument("--lives", type=int, help="How many whole lives to play.")
    parser.add_argument(
        "--mix",
        help='How lives end, and how often each: "capture=60,void=10". Endings not named do not '
        f"come. The usual: {', '.join(f'{name}={weight}' for name, weight in USUAL.items())}",
    )
    parser.add_argument(
        "--out-of-order",
        action="store_true",
        help="Deliver what comes after a request in any order, mixed with that of other lives.",
    )
    parser.add_argument("--duplicates", action="store_true", help="Deliver some events twice.")


def _check_lives(options: dict[str, Any], *, alone: bool) -> None:
    lives = options["lives"]
    if lives is None:
        for name in ("mix", "out_of_order", "duplicates"):
            if options[name]:
                raise CommandError(f"--{name.replace('_', '-')} goes with --lives.")
    elif lives < 1:
        raise CommandError("--lives must be above 0.")
    elif not alone:
        raise CommandError(
            "--lives draws its own purchases: leave out --count and what describes one."
        )


def _exactly(wish: Wish) -> Maker:
    wanted = order(wish)
    return lambda chance, at: (wanted.member, wanted.purchase(chance, at))


def _created(place: int, begin: int | None) -> int:
    """When the request in this place is created."""
    return int(time()) if begin is None else begin + place


def _send_one(console: Console, door: Door, street: Street, begin: int | None) -> None:
    question = street.question(0, _created(0, begin))
    print_question(console, question)
    answer = door.ask(question.body)
    told = door.deliver(told_afterwards(question, answer))
    # Another program than ours may answer without telling its decision's id.
    page = reverse("admin:authorizations_decision_change", args=[answer.decision or "unknown"])
    print_answer(console, question, answer, door.base + page)
    if told.is_refusal:
        console.print(f"What became of it was told as well: {door.refusal(told)}", style="red")


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
                told = door.deliver(told_afterwards(question, answer))
                tally.add_told(door.refusal(told) if told.is_refusal else "")


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
    """Whatever ends the sending, the tally is printed."""
    try:
        with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
            yield progress
    except KeyboardInterrupt:
        console.print("Stopped.")
    finally:
        tally.print(console)
