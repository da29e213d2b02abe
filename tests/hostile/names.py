"""Names that shops may be given by those who mean harm."""

SCRIPT = "<script>window.harmed = 1</script>"
IMAGE = "<img src=x onerror='window.harmed = 1'>"
MARKUP = (
    SCRIPT,
    IMAGE,
    "<svg/onload=window.harmed=1>",
    "\"'><script>window.harmed=1</script>",
    "</title></textarea></style><script>window.harmed=1</script>",
    "{{ 7|add:7 }}{% debug %}",
    "javascript:window.harmed=1",
    "`${window.harmed=1}`",
    "<b onmouseover=window.harmed=1>",
)
FORMULAS = (
    '=HYPERLINK("http://x","Refund")',
    "+1+cmd|'/C calc'!A0",
    "-2+3",
    "@SUM(1+1)",
    "\t=1+1",
    "\r=1+1",
    "; =1+1",
    "＝1+1",
)
CONTROLS = (
    "Shop\n2026-01-01 00:00:00,000 ERROR forged: line",
    "Shop\r\nSet-Cookie: a=b",
    "Shop\x1b[2J\x1b[31m",
    "Shop\0\0",
    "Shop\ud800\udfff\udc00",
    "Shop\u202egnp.exe\u2066",
    "Shop\u2028\u0085\x7f",
    "e" + "\u0301" * 2000,
    "x" * 100_000,
    "'; DROP TABLE authorizations_decision; --",
    "$(touch /tmp/harmed)",
    "%s%n%(name)s{0}",
)
CARD = "Shop 4242424242424242"
NAMES = (*MARKUP, *FORMULAS, *CONTROLS, CARD)
