"""Clients that send signed purchases at a steady rate, and write down every answer they get."""

import http.client
import json
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from itertools import count
from pathlib import Path
from random import Random

from authorizations.wire import signature
from simulator.stripe import samples

MOST_AT_ONCE = 96
PATIENCE_S = 60.0
REPEATS = 0.03

_numbers = count(1)


@dataclass(frozen=True)
class Sent:
    """One delivery: `began` is of time.monotonic, `status` 0 where no answer came. Where the
    desk's clock was `stepped` meanwhile, it rightly refused a signature of another time.
    """

    event_id: str
    authorization_id: str
    card_id: str
    amount: int
    began: float
    elapsed_ms: float
    status: int
    body: str
    stepped: bool = False

    @property
    def is_refused_for_its_time(self) -> bool:
        return self.stepped and self.status == 400

    @property
    def is_answered(self) -> bool:
        return self.status == 200

    @property
    def metadata(self) -> dict[str, str]:
        found: dict[str, str] = json.loads(self.body)["metadata"]
        return found

    @property
    def approved_amount(self) -> int:
        answer = json.loads(self.body)
        return answer.get("amount", self.amount) if answer["approved"] else 0


@dataclass(frozen=True)
class Question:
    """A purchase, ready to be sent."""

    event_id: str
    authorization_id: str
    card_id: str
    amount: int
    body: bytes


class Shoppers:
    """Whoever pays with these cards, by clocks that are wrong together with the desk's."""

    def __init__(self, port: int, secret: str, name: str, cards: int, chance: Random) -> None:
        self.cards = [f"ic_{name}{number}" for number in range(cards)]
        self.log: list[Sent] = []
        self.rate = 30.0
        self._clock_off_s, self._steps = 0.0, 0
        self._port, self._secret, self._name, self._chance = port, secret, name, chance
        self._began = int(time.time()) - 5
        self._known: list[Question] = []

    def question(self, card_id: str = "") -> Question:
        number = next(_numbers)
        card_id = card_id or self._chance.choice(self.cards)
        amount = self._chance.randrange(100, 2_000)
        event_id, authorization_id = f"evt_{self._name}{number}", f"iauth_{self._name}{number}"
        holder = samples.cardholder(
            cardholder_id=card_id.replace("ic_", "ich_"), name="Marie Curie", created=self._began
        )
        event = samples.request_event(
            samples.Purchase(authorization_id=authorization_id, created=self._began, amount=amount),
            event_id=event_id,
            created=self._began,
            card=samples.card(card_id=card_id, holder=holder, created=self._began),
        )
        return Question(event_id, authorization_id, card_id, amount, samples.to_bytes(event))

    @contextmanager
    def stepping(self, seconds: float) -> Iterator[None]:
        """Around a step of the desk's clock to so many seconds from the true time."""
        self._steps += 1
        yield
        self._clock_off_s = seconds
        self._steps += 1

    def ask(self, question: Question) -> Sent:
        """Send it on a connection of its own, as a proxy without keep-alive does."""
        began, steps, status, body = time.monotonic(), self._steps, 0, ""
        now = time.time() + self._clock_off_s
        headers = {
            "Stripe-Signature": signature.sign(question.body, self._secret, int(now)),
            "Content-Type": "application/json",
            "X-Request-Start": f"t={now:.3f}",
        }
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=PATIENCE_S)
        try:
            connection.request("POST", "/webhook", question.body, headers)
            answer = connection.getresponse()
            status, body = answer.status, answer.read().decode()
        except (OSError, http.client.HTTPException) as error:
            status, body = 0, repr(error)
        finally:
            connection.close()
        elapsed_ms = (time.monotonic() - began) * 1000
        sent = Sent(
            question.event_id,
            question.authorization_id,
            question.card_id,
            question.amount,
            began,
            elapsed_ms,
            status,
            body,
            steps % 2 == 1 or steps != self._steps,
        )
        self.log.append(sent)
        return sent

    def capacity(self, seconds: float = 1.5) -> float:
        """How many a second are answered when a few threads ask as fast as they can."""
        ends, already = time.monotonic() + seconds, len(self.log)

        def ask_on() -> None:
            while time.monotonic() < ends:
                self.ask(self.question())

        with ThreadPoolExecutor(8) as threads:
            for _ in range(8):
                threads.submit(ask_on)
        return (len(self.log) - already) / seconds

    def pay(self, until: threading.Event) -> None:
        """Send `rate` purchases a second, whether answers come or not; a few of them once more."""
        due = time.monotonic()
        with ThreadPoolExecutor(MOST_AT_ONCE) as threads:
            while not until.is_set():
                if self._known and self._chance.random() < REPEATS:
                    question = self._chance.choice(self._known)
                else:
                    question = self.question()
                threads.submit(self._pay, question)
                due = max(due + 1 / self.rate, time.monotonic() - 0.1)
                until.wait(max(0.0, due - time.monotonic()))

    def _pay(self, question: Question) -> None:
        if self.ask(question).is_answered:
            self._known.append(question)

    def write(self, path: Path) -> None:
        with path.open("a") as file:
            file.writelines(json.dumps(asdict(sent)) + "\n" for sent in self.log)


class Metronome:
    """How long this machine lets a thread wait that has nothing to wait for."""

    def __init__(self) -> None:
        self._stalls: list[tuple[float, float]] = []
        threading.Thread(target=self._beat, daemon=True).start()

    def longest_ms(self, start: float, end: float) -> float:
        """The longest stall that touched this stretch of time.monotonic."""
        return max(
            (ms for at, ms in self._stalls if at >= start and at - ms / 1000 <= end), default=0
        )

    def _beat(self) -> None:
        while True:
            began = time.monotonic()
            time.sleep(0.01)
            ended = time.monotonic()
            if ended - began > 0.03:
                self._stalls.append((ended, (ended - began - 0.01) * 1000))
