"""Wrong wrapping: lengths, chunks, lines, headers, and what is no HTTP at all."""

from tests.hostile.requests import BODY, LENGTH, Request

CHUNKED = "Transfer-Encoding: chunked"
WHOLE = b"%(size)x\r\n%(body)b\r\n0\r\n\r\n"


def length(name: str, outcomes: str, *values: str, body: bytes = BODY) -> Request:
    headers = tuple(f"Content-Length: {value}" for value in values)
    return Request(f"length {name}", outcomes, headers, body=body)


def chunks(name: str, outcomes: str, body: bytes, *headers: str) -> Request:
    return Request(f"chunks {name}", outcomes, (CHUNKED, *headers), body=body)


def line(name: str, outcomes: str, text: str) -> Request:
    return Request(f"line {name}", outcomes, line=text)


def header(name: str, outcomes: str, *headers: str) -> Request:
    return Request(f"header {name}", outcomes, (LENGTH, *headers))


LENGTHS = [
    length("twice the same", "400", "{length}", "{length}"),
    length("twice, different", "400", "{length}", "5"),
    length("a list", "400", "{length}, {length}"),
    length("negative", "400", "-1"),
    length("with a sign", "400", "+{length}"),
    length("hexadecimal", "400", "0x10"),
    length("words", "400", "many"),
    length("empty", "400", ""),
    length("a decimal", "400", "10.0"),
    length("with an underscore", "400", "1_0"),
    length("superscript two", "400", "\xb2"),
    length("of 23 digits", "400", "9" * 23),
    length("of 5,000 digits", "400", "9" * 5000),
    length("beyond the limit", "too_large", "262145"),
    length("shorter than the body", "mismatch", "10"),
    length("longer than the body", "incomplete", "100000"),
    length("missing", "length_required"),
    length("zero", "mismatch", "0"),
    length("zero, and nothing sent", "mismatch", "0", body=b""),
    length("with spaces around it", "approved", "   {length}   "),
    length("with leading zeros", "approved", "000{length}"),
    Request("length with a space before the colon", "400", ("Content-Length : {length}",)),
]

CHUNKS = [
    chunks("in order", "length_required", WHOLE),
    chunks("in order, then a purchase", "length_required", WHOLE + b"%(again)b"),
    chunks("with no number", "length_required", b"zz\r\n%(body)b\r\n0\r\n\r\n"),
    chunks("with a negative number", "length_required", b"-1\r\n%(body)b\r\n0\r\n\r\n"),
    chunks("with 0x", "length_required", b"0x10\r\n%(body)b\r\n0\r\n\r\n"),
    chunks("of 40 digits", "length_required", b"f" * 40 + b"\r\n%(body)b\r\n0\r\n\r\n"),
    chunks("without an end", "length_required", b"%(size)x\r\n%(body)b"),
    chunks("with an extension", "length_required", b"%(size)x;a=b\r\n%(body)b\r\n0\r\n\r\n"),
    chunks("with an endless extension", "length_required", b"5;" + b"a" * 200_000),
    chunks("with a length behind", "length_required", WHOLE[:-2] + b"Content-Length: 3\r\n\r\n"),
    chunks("with NUL", "length_required", b"\0\r\n\r\n"),
    chunks("and nothing", "length_required", b""),
    chunks("and a length", "400", WHOLE, LENGTH),
    chunks("that hide a purchase", "400", b"0\r\n\r\n%(again)b", "Content-Length: 5"),
    chunks("twice", "400", WHOLE, CHUNKED),
    Request("chunks that are none", "400", ("Transfer-Encoding: identity", LENGTH)),
    Request("chunks, zipped", "length_required", ("Transfer-Encoding: gzip, chunked",), body=WHOLE),
    Request("chunks, misspelt", "length_required", ("Transfer-Encoding: xchunked",), body=WHOLE),
    Request("chunks behind a tab", "length_required", ("Transfer-Encoding:\tchunked",), body=WHOLE),
    Request("chunks behind VT", "400", ("Transfer-Encoding: \x0bchunked", LENGTH)),
    Request("chunks in HTTP/1.0", "length_required", (CHUNKED,), "POST /webhook HTTP/1.0", WHOLE),
]

LINES = [
    line("HTTP/1.0", "approved", "POST /webhook HTTP/1.0"),
    line("HTTP/0.9", "400", "POST /webhook"),
    line("HTTP/3.9", "400", "POST /webhook HTTP/3.9"),
    line("in small letters", "400", "post /webhook HTTP/1.1"),
    line("with an umlaut", "400", "P\xf6ST /webhook HTTP/1.1"),
    *(
        line(f"of {method}", "method_not_allowed", f"{method} /webhook HTTP/1.1")
        for method in ("GET", "PUT", "DELETE", "OPTIONS", "CONNECT", "TRACE", "PROPFIND")
    ),
    line("with a whole address", "approved", "POST http://elsewhere/webhook HTTP/1.1"),
    line("with a query", "approved", "POST /webhook?a=%00&b=<script> HTTP/1.1"),
    line("with 5,000 characters", "approved", f"POST /webhook?{'a' * 5000} HTTP/1.1"),
    line("with 9,000 characters", "414", f"POST /webhook?{'a' * 9000} HTTP/1.1"),
    line("with NUL", "400", "POST /webhook\0 HTTP/1.1"),
    line("with NUL, escaped", "not_found", "POST /webhook%00 HTTP/1.1"),
    line("with dots", "not_found", "POST /../webhook HTTP/1.1"),
    line("with two slashes", "not_found", "POST //webhook HTTP/1.1"),
    line("with another line in it", "not_found", "POST /x%0d%0a2026%20ERROR%20forged HTTP/1.1"),
    line("with no text", "not_found", "POST /%ff%fe HTTP/1.1"),
    line("of a proxy before it", "400", "PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\nPOST /webhook HTTP/1.1"),
]

HEADERS = [
    header("many", "431", *(f"X-{n}: y" for n in range(200))),
    header("60", "approved", *(f"X-{n}: y" for n in range(60))),
    header("of 9,000 characters", "431", "X-A: " + "a" * 9_000),
    header("of 100,000 characters", "431", "X-A: " + "a" * 100_000),
    header("without a colon", "400", "Nonsense"),
    header("without a name", "400", ": x"),
    header("with a space in its name", "400", "X Y: x"),
    header("folded", "400", "X: a\r\n b"),
    header("with NUL", "400", "User-Agent: a\0b"),
    header("with a carriage return", "400", "User-Agent: a\rb"),
    header("with a line feed", "400", "User-Agent: a\nb"),
    header("with an escape sequence", "400", "User-Agent: \x1b[31ma"),
    header("with other bytes", "approved", "User-Agent: a\xff\xe9\x80b"),
    header("that is a script", "approved", "User-Agent: <script>alert(1)</script>"),
    header("that is a card number", "approved", "User-Agent: 4242424242424242"),
    header("Host twice", "400", "Host: other"),
    header("Expect", "100 approved", "Expect: 100-continue"),
    header("Expect of something else", "approved", "Expect: everything"),
    header("zipped", "unsupported_encoding", "Content-Encoding: gzip"),
    header("Upgrade", "incomplete", "Connection: Upgrade", "Upgrade: h2c"),
    header("of another method", "approved", "X-HTTP-Method-Override: DELETE"),
    header("of another script", "approved", "SCRIPT_NAME: /x"),
    header("of another path", "approved", "PATH_INFO: /admin/"),
    header(
        "where it came from, twice", "approved", "X-Forwarded-For: 1.2.3.4", "X-Forwarded-For: x"
    ),
    Request("header Host missing", "approved", host=""),
    Request("header Host a script", "approved", host="Host: <script>"),
    Request("header lines without carriage returns", "400", end="\n"),
]

PIPELINES = [
    Request("pipeline of two purchases", "approved approved", body=b"%(body)b%(again)b"),
    Request("pipeline with garbage behind", "approved", body=b"%(body)bgarbage\r\n\r\n"),
    Request(
        "pipeline that begins with GET",
        "method_not_allowed",
        line="GET /webhook HTTP/1.1",
        body=b"%(body)b%(again)b",
    ),
    length("that swallows a purchase", "too_large", "300000", body=b"%(again)b"),
    length("that hides a purchase", "mismatch approved", "0", body=b"%(again)b"),
]

NO_REQUEST = [
    ("nothing", "", b""),
    ("NULs", "400", b"\0" * 1000),
    ("empty lines", "", b"\r\n" * 1000),
    ("TLS", "400", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"x" * 500),
    ("HTTP/2", "400", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ("half a line", "", b"POST /web"),
    ("half a head", "", b"POST /webhook HTTP/1.1\r\nHost: local"),
    ("an endless name", "431", b"POST /webhook HTTP/1.1\r\n" + b"a" * 100_000),
    ("all of the server", "not_found", b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"),
]

REQUESTS = [*LENGTHS, *CHUNKS, *LINES, *HEADERS, *PIPELINES]
