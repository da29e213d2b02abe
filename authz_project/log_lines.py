"""One line for each thing that is logged, whatever was in it.

Text from outside may hold line breaks and card numbers, and errors of the database repeat
statements and rows. So control characters are written out, card numbers and signatures masked, and
of an error only its first sentence and its place are told.
"""

import logging
import traceback
from pathlib import Path

from authorizations.wire import masking

_PROJECT = Path(__file__).resolve().parent.parent
_OURS = (str(_PROJECT / "authorizations"), str(_PROJECT / "authz_project"))
_UNSEEN = (*range(0x20), *range(0x7F, 0xA0), *range(0x2028, 0x202F), *range(0x2066, 0x206A))
_SEEN = {code: f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" for code in _UNSEEN}


class Line(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        said = record.getMessage()
        if record.exc_info and record.exc_info[1]:
            said = f"{said} {told(record.exc_info[1])}"
        return safe(f"{self.formatTime(record)} {record.levelname} {record.name}: {said}")


def told(error: BaseException) -> str:
    """What went wrong and where: in our code if it was there, else where it began to."""
    sentence = str(error).strip().partition("\n")[0]
    frames = traceback.extract_tb(error.__traceback__)
    ours = [frame for frame in frames if frame.filename.startswith(_OURS)] or frames
    place = f" ({ours[-1].filename}:{ours[-1].lineno})" if ours else ""
    return f"{type(error).__qualname__}: {sentence}{place}"


def safe(text: str) -> str:
    return masking.text(text.translate(_SEEN)).encode(errors="backslashreplace").decode()
