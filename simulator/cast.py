"""The people of the demo and their cards; the simulator sends purchases of the same ones."""

from random import Random
from typing import NamedTuple

from simulator.stripe.samples import Json, card, cardholder, identifier

_ISSUED_BEFORE_SECONDS = 400 * 86_400
_NAMES = ("Inès Moreau", "Lukas Brandt", "Marta Nowak", "Owen Clarke", "Elena Ruiz", "Tom de Vries")


class CardOf(NamedTuple):
    """A card and its holder; `shops` are those the holder uses most."""

    card_id: str
    last4: str
    name: str
    cardholder_id: str
    currency: str = "eur"
    replacement_for: str | None = None
    shops: tuple[str, ...] = ()

    def as_stripe_has_it(self, now: int) -> Json:
        """The card as a Stripe object, issued a good year before `now`."""
        issued = now - _ISSUED_BEFORE_SECONDS
        holder = cardholder(cardholder_id=self.cardholder_id, name=self.name, created=issued)
        return card(
            card_id=self.card_id,
            holder=holder,
            created=issued,
            currency=self.currency,
            last4=self.last4,
            replacement_for=self.replacement_for,
        )


_IN_TOWN = ("Boulangerie Lepic", "Chez Ninon", "Super Primeur", "Taxi Lumière", "Apotheke am Dom")
_ON_THE_WAY = ("Aurelia Airlines", "Nordwind Air", "Alder Car Rental", "Pension Waldblick")
_OUTSIDE = ("Station Azur", "Pump & Go 24", "Papeterie Joffre", "Spree Kantine", "Super Primeur")
_ON_THE_NET = ("Cloudbarn", "Tasklark", "Adlantern", "Pixelforge Games")

FIRST = CardOf("ic_demo_camille", "4242", "Camille Laurent", "ich_demo_camille", shops=_IN_TOWN)
"""The card of the first purchase."""

CAST = (
    FIRST,
    CardOf(
        "ic_demo_camille_travel", "1881", "Camille Laurent", "ich_demo_camille", shops=_ON_THE_WAY
    ),
    CardOf("ic_demo_jonas", "0077", "Jonas Weber", "ich_demo_jonas", shops=_OUTSIDE),
    CardOf(
        "ic_demo_sofia_2",
        "5556",
        "Sofia Rossi",
        "ich_demo_sofia",
        # Replaces a lost card, whose limits it continues.
        replacement_for="ic_demo_sofia",
        shops=_OUTSIDE,
    ),
    CardOf("ic_demo_grace", "3434", "Grace Miller", "ich_demo_grace", "usd", shops=_ON_THE_NET),
    CardOf(
        "ic_demo_aiko", "8080", "Aiko Tanaka", "ich_demo_aiko", "jpy", shops=("Kombini Sakura",)
    ),
    CardOf("ic_demo_noah", "6121", "Noah Martin", "ich_demo_noah", shops=_IN_TOWN),
)


def named(wanted: str) -> CardOf:
    """The demo card with this id or these last four digits; otherwise an unknown one."""
    found = (member for member in CAST if wanted in (member.card_id, member.last4))
    return next(found, CardOf(wanted, "0000", "Robin Unknown", f"ich_of_{wanted}"[:255]))


def extras(count: int, chance: Random) -> list[CardOf]:
    """`count` unknown cards, their ids drawn from `chance`."""
    return [
        CardOf(
            card_id=identifier("ic", chance),
            last4=f"{chance.randrange(10_000):04}",
            name=chance.choice(_NAMES),
            cardholder_id=identifier("ich", chance),
        )
        for _ in range(count)
    ]
