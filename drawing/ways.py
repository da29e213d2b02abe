"""Three ways through the code, step by step."""

from drawing.sequences import Step, Way

REQUEST = Way(
    "The way of a request",
    ("Stripe", "views", "wire", "webhook", "authorize", "rules", "PostgreSQL"),
    (
        Step("Stripe", "views", "POST /webhook", "views.webhook"),
        Step("views", "wire", "is it signed by Stripe?", "wire.signature.verify"),
        Step("views", "wire", "mask card numbers", "wire.masking.body"),
        Step("views", "wire", "read the event", "wire.events.read"),
        Step("views", "webhook", "answer it", "services.webhook.answering.answer"),
        Step("webhook", "wire", "the question in our words", "wire.events.authorization_request"),
        Step("webhook", "authorize", "decide in time", "services.authorize.transaction"),
        "One transaction",
        Step(
            "authorize",
            "PostgreSQL",
            "lock card, cardholder, group; look up",
            "services.store.lookup",
        ),
        Step("authorize", "rules", "decide", "rules.decision.decide.decide"),
        Step("authorize", "wire", "the answer, which is kept as well", "wire.answer.render"),
        Step("authorize", "PostgreSQL", "WRITE all rows", "services.store.write_statements.WRITE"),
        Step("authorize", "PostgreSQL", "COMMIT"),
        "After it",
        Step("authorize", "authorize", "log line and metrics", "services.runtime.decision_log"),
        Step("authorize", "views", "the answer's body", is_back=True),
        Step("views", "Stripe", "200, approved or declined", is_back=True),
    ),
)

LATER_EVENT = Way(
    "The way of a later event",
    ("Stripe", "views", "wire", "webhook", "lifecycle", "purchases", "PostgreSQL"),
    (
        Step("Stripe", "views", "POST /webhook: captured, refunded, expired …", "views.webhook"),
        Step("views", "webhook", "take it", "services.webhook.answering.take"),
        Step(
            "webhook", "lifecycle", "two at once in a process", "services.lifecycle.intake.receive"
        ),
        Step("lifecycle", "wire", "the report in our words", "wire.reports.report"),
        Step("lifecycle", "lifecycle", "apply it", "services.lifecycle.apply"),
        "One transaction",
        Step(
            "lifecycle",
            "PostgreSQL",
            "lock card, cardholder, group; look up",
            "services.store.lookup",
        ),
        Step("lifecycle", "purchases", "link transactions to it", "services.purchases.linking"),
        Step("lifecycle", "purchases", "join the books", "services.purchases.steps"),
        Step("lifecycle", "purchases", "entries, usage, findings", "services.purchases.entries"),
        Step("purchases", "PostgreSQL", "WRITE all rows", "services.store.write_statements.WRITE"),
        Step("lifecycle", "PostgreSQL", "COMMIT"),
        Step("views", "Stripe", "200", is_back=True),
        "Where it can't be applied now",
        Step(
            "lifecycle",
            "PostgreSQL",
            "keep it, with the reason",
            "services.lifecycle.intake.keep_for_later",
        ),
        Step("views", "Stripe", "200, or 503 where sending it again helps", is_back=True),
        Step(
            "lifecycle",
            "lifecycle",
            "later, in the background",
            "services.lifecycle.intake.apply_due",
        ),
    ),
)

OUTAGE = Way(
    "The way of a request without the database, and of its answer into the books",
    ("Stripe", "webhook", "stand_in", "rules", "host", "purchases", "PostgreSQL"),
    (
        Step("Stripe", "webhook", "POST /webhook", "services.webhook.answering.answer"),
        Step(
            "webhook",
            "PostgreSQL",
            "no answer in 700 ms; or known to be away, and not asked",
            "services.runtime.breaker",
        ),
        Step("webhook", "stand_in", "answer without it", "services.stand_in.answers.answer"),
        Step("stand_in", "host", "was this event answered before?", "services.host.host_answers"),
        Step("stand_in", "host", "card, policies, usage as last read", "services.host.local_copy"),
        Step("stand_in", "host", "what caps still allow", "services.host.caps.turn"),
        Step("stand_in", "rules", "decide", "rules.decision.stand_in.decide_without_usage"),
        Step(
            "stand_in",
            "host",
            "onto the disk, within its time",
            "services.host.spool_writer.append",
        ),
        Step(
            "webhook",
            "Stripe",
            "200, with the cause in its metadata",
            "services.stand_in.durable_answer.settle",
            is_back=True,
        ),
        "When the database is back",
        Step("stand_in", "stand_in", "one process of the host", "services.stand_in.replay.run_for"),
        Step("stand_in", "host", "read what waits, in order", "services.host.spool_reader"),
        Step("stand_in", "PostgreSQL", "the same locks", "services.store.lookup"),
        Step("stand_in", "purchases", "book what was answered", "services.stand_in.replay_one"),
        Step(
            "stand_in",
            "PostgreSQL",
            "WRITE, once by event id",
            "services.store.write_statements.WRITE",
        ),
    ),
)

IN_SHORT = Way(
    "How a purchase is decided",
    ("Stripe", "the desk", "PostgreSQL"),
    (
        Step("Stripe", "the desk", "may this card pay 45.00 here?"),
        Step("the desk", "PostgreSQL", "lock card, cardholder and group"),
        Step("the desk", "PostgreSQL", "read the policies in force, and what is used up"),
        Step("the desk", "the desk", "decide"),
        Step("the desk", "PostgreSQL", "write request, decision and ledger, and commit"),
        Step("the desk", "Stripe", "approved or declined", is_back=True),
        "Without the database",
        Step(
            "the desk",
            "the desk",
            "decide from the server's own copy, and write the answer to disk",
        ),
        Step("the desk", "Stripe", "approved or declined", is_back=True),
        Step("the desk", "PostgreSQL", "once it is back: bring the answer into the books"),
    ),
)
