"""A mix of endings as typed."""

import pytest

from simulator.exact import UnclearError
from simulator.mix import parse_mix


def test_a_mix_has_the_weights_that_were_typed_and_nothing_else() -> None:
    assert parse_mix("capture=60, void=10,expiry = 0") == {"capture": 60, "void": 10, "expiry": 0}


@pytest.mark.parametrize(
    ("typed", "sentence"),
    [
        ("captured=60", 'There is no ending "captured". Did you mean "capture"?'),
        ("xyzzy=1", 'There is no ending "xyzzy". There are: capture, partial_capture'),
        ("", 'There is no ending "".'),
        ("capture=1,,void=2", 'There is no ending "".'),
        ("capture", 'Write how often capture occurs as a whole number, as in "capture=10"'),
        ("capture=-1", 'not "-1".'),
        ("capture=1.5", 'not "1.5".'),
        ("capture=²", 'not "²".'),
        ("capture=1,capture=2", "capture is given twice."),
        ("capture=0,void=0", "at least one ending a weight above 0"),
    ],
)
def test_a_mix_that_is_none_is_refused_with_a_sentence(typed: str, sentence: str) -> None:
    with pytest.raises(UnclearError) as refused:
        parse_mix(typed)
    assert sentence in str(refused.value)
    assert str(refused.value).startswith("--mix: ")
