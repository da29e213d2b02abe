"""Fills a database with any number of decisions, made from a few real ones by set-based SQL.

Each decision is a copy of one of the demo's with a different card, merchant, amount and time, and a
decline with a different reason. Good enough for opening pages.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from random import Random

from django.db import connection
from django.utils import timezone

from authorizations.models import Card, Cardholder
from authorizations.rules.basics.countries import known_countries
from authorizations.rules.basics.filters import known_categories
from simulator import demo

PIECE = 50_000
DAYS = 60
CARDS = 2_000
SHOPS = 400

RARE_REASON, FREQUENT_REASON, UNUSED_REASON = (
    "network_risk_too_high",
    "amount_limit_exceeded",
    "cvc_required",
)
RARE_SHOP, RARE_COUNTRY, RARE_CATEGORY = "Kiosk am Nordpol", "IS", "bail_and_bond_payments"
UNUSED_COUNTRY, UNUSED_CATEGORY = "TV", "wires_money_orders"

_FIRST = ("Ada", "Grace", "Alan", "Edsger", "Barbara", "Ken", "Frances", "Niklaus", "Radia", "Tim")
_LAST = ("Lovelace", "Hopper", "Turing", "Liskov", "Allen", "Wirth", "Perlman", "Knuth", "Moore")
_SHOPS = ("Boulangerie", "Kantine", "Garage", "Hotel", "Farmacia", "Books", "Airways", "Market")

_PATTERNS = """
CREATE TEMPORARY TABLE pattern AS
SELECT
    approved, is_partial, row_number() OVER (PARTITION BY approved, is_partial) - 1 AS number,
    count(*) OVER (PARTITION BY approved, is_partial) AS numbers,
    decision, webhook, purchase
FROM authorizations_decision AS decision
JOIN authorizations_webhookrequest AS webhook ON webhook.id = webhook_request_id
JOIN authorizations_authorization AS purchase ON purchase.id = authorization_id
"""

# Squares of random numbers, so that a few cards and shops have most of the purchases.
_DRAW = f"""
CREATE TEMPORARY TABLE drawn ON COMMIT DROP AS
SELECT
    *, md5(n::text) AS id, %(base)s + n AS request, outcome < 0.85 AS approved,
    outcome BETWEEN 0.84 AND 0.85 AS is_partial,
    CASE
        WHEN outcome <= 0.85 THEN ''
        WHEN why < 0.0005 THEN '{RARE_REASON}'
        WHEN why < 0.6 THEN '{FREQUENT_REASON}'
        WHEN why < 0.8 THEN 'category_not_allowed'
        WHEN why < 0.9 THEN 'outside_schedule'
        WHEN why < 0.95 THEN 'merchant_country_not_allowed'
        ELSE 'count_limit_exceeded'
    END AS reason
FROM (
    SELECT
        n, %(start)s::timestamptz + n * (interval '{DAYS} days' / %(count)s) AS at,
        floor({CARDS} * power(random(), 2))::int AS card,
        CASE WHEN n %% 50000 = 7 THEN {SHOPS} ELSE floor({SHOPS} * power(random(), 2)) END AS shop,
        (100 + 30000 * power(random(), 3))::bigint AS amount,
        (ARRAY['eur', 'eur', 'eur', 'eur', 'eur', 'usd', 'usd', 'gbp'])[1 + floor(8 * random())]
            AS currency,
        random() AS outcome, random() AS why, floor(1000 * random())::bigint AS pattern
    FROM generate_series(%(first)s::bigint, %(last)s::bigint) AS n
) AS chance
"""  # noqa: S608 - numbers and words of this file

_JOINED = """
FROM drawn
JOIN shop ON shop.number = drawn.shop
JOIN pattern ON pattern.approved = drawn.approved AND pattern.is_partial = drawn.is_partial
    AND pattern.number = drawn.pattern % pattern.numbers
"""

_REQUESTS = f"""
INSERT INTO authorizations_webhookrequest
SELECT made.*
{_JOINED}
CROSS JOIN LATERAL jsonb_populate_record(webhook, jsonb_build_object(
    'id', drawn.request, 'received_at', at, 'event_id', 'evt_' || drawn.id
)) AS made
ORDER BY n
"""

_DECISIONS = f"""
INSERT INTO authorizations_decision
SELECT made.*
{_JOINED}
CROSS JOIN LATERAL jsonb_populate_record(decision, jsonb_build_object(
    'id', 'evt_' || drawn.id, 'webhook_request_id', drawn.request, 'event_created', at,
    'decided_at', at + interval '4 milliseconds', 'authorization_id', 'iauth_' || drawn.id,
    'card_id', 'ic_bench' || card, 'cardholder_id', 'ich_bench' || card / 2,
    'reason', drawn.reason, 'amount', drawn.amount, 'currency', drawn.currency,
    'exception_id', CASE WHEN drawn.approved AND n % 5000 = 11 THEN n END,
    'approved_amount', CASE
        WHEN drawn.is_partial THEN drawn.amount / 2 WHEN drawn.approved THEN drawn.amount ELSE 0
    END,
    'category', shop.category, 'category_code', shop.code, 'merchant_country', shop.country,
    'merchant_name', shop.name, 'duration_us', (1500 + 4000 * power(why, 4))::int
)) AS made
ORDER BY n
"""

_PURCHASES = f"""
INSERT INTO authorizations_authorization
SELECT made.*
{_JOINED}
CROSS JOIN LATERAL jsonb_populate_record(purchase, jsonb_build_object(
    'id', 'iauth_' || drawn.id, 'created', at - interval '1 second',
    'card_id', 'ic_bench' || card, 'cardholder_id', 'ich_bench' || card / 2,
    'currency', drawn.currency,
    'category', shop.category, 'category_code', shop.code, 'merchant_country', shop.country,
    'merchant_name', shop.name, 'counted_cash', 0, 'refunded_amount', 0,
    'counted_amount', CASE WHEN drawn.approved THEN drawn.amount ELSE 0 END
)) AS made
ORDER BY n
"""

_ENTRIES = """
INSERT INTO authorizations_ledgerentry (
    authorization_id, event_id, cause, amount, cash_amount, refunded_amount, count, cash_count,
    currency, entered_at, author, reason
)
SELECT 'iauth_' || id, 'evt_' || id, 'hold', amount, 0, 0, 1, 0, currency, at, '', ''
FROM drawn WHERE approved ORDER BY n
"""


def fill(count: int) -> Iterator[int]:
    """Make `count` decisions with their other rows; yields the number so far."""
    demo.load()
    start = timezone.now() - timedelta(days=DAYS)
    _make_people()
    with connection.cursor() as cursor:
        cursor.execute(_PATTERNS)
        cursor.execute(
            "CREATE TEMPORARY TABLE shop (number int, name text, category text, "
            "code text, country text)"
        )
        cursor.executemany("INSERT INTO shop VALUES (%s, %s, %s, %s, %s)", _shops())
        cursor.execute("SELECT setseed(0.5), max(id) FROM authorizations_webhookrequest")
        base = cursor.fetchone()[1]
    for first in range(1, count + 1, PIECE):
        last = min(first + PIECE - 1, count)
        _make_piece({"first": first, "last": last, "start": start, "count": count, "base": base})
        yield last
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT setval(pg_get_serial_sequence('authorizations_webhookrequest', 'id'), %s)",
            [base + count],
        )


def _make_piece(span: dict[str, int | datetime]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute(_DRAW, span)
        cursor.execute("CREATE UNIQUE INDEX ON drawn (n)")
        cursor.execute("ANALYZE drawn")
        for statement in (_REQUESTS, _DECISIONS, _PURCHASES, _ENTRIES):
            cursor.execute(statement)
        cursor.execute("COMMIT")


def _make_people() -> None:
    Cardholder.objects.bulk_create(
        Cardholder(
            id=f"ich_bench{number}",
            name=f"{_FIRST[number % 10]} {_LAST[number // 10 % 9]} {number // 90 + 1}",
        )
        for number in range(CARDS // 2)
    )
    Card.objects.bulk_create(
        Card(
            id=f"ic_bench{number}",
            root_id=f"ic_bench{number}",
            cardholder_id=f"ich_bench{number // 2}",
            last4=f"{number * 7 % 10_000:04}",
            brand="Visa",
            type="virtual",
            currency="eur",
        )
        for number in range(CARDS)
    )


def _shops() -> list[tuple[int, str, str, str, str]]:
    """Shops of all usual categories; the last one is rare in every respect."""
    chance = Random(5)
    categories = [
        entry
        for entry in known_categories().values()
        if entry.name not in {RARE_CATEGORY, UNUSED_CATEGORY}
    ]
    countries = sorted(known_countries().keys() - {RARE_COUNTRY, UNUSED_COUNTRY})[:80]
    made = []
    for number in range(SHOPS):
        category = chance.choice(categories)
        name = f"{chance.choice(_SHOPS)} {chance.choice(_LAST)} {number}"
        made.append((number, name, category.name, category.code, chance.choice(countries)))
    rare = known_categories()[RARE_CATEGORY]
    return [*made, (SHOPS, RARE_SHOP, rare.name, rare.code, RARE_COUNTRY)]
