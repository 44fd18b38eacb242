"""msgspec's sentences, as this version says them: a new wording must fail here and nowhere else."""

from __future__ import annotations

import msgspec
import pytest

from shared.contracts.tracking import Batch, Event
from shared.domain.field_errors import field_error
from tests.collector_rig import batch, event

CASES = [
    (batch(site=1), "/site", "type"),
    (batch(site="x"), "/site", "too_short"),
    (batch(site="s_" + "a" * 33), "/site", "too_long"),
    (batch(site="s_UPPER"), "/site", "format"),
    (batch(sent=-1), "/sent", "range"),
    (batch(sent=2**63), "/sent", "range"),
    (batch(sent=2**70), "/sent", "range"),
    (batch(events=[]), "/events", "too_few"),
    (batch(events=[event()] * 51), "/events", "too_many"),
    (batch(token=None), "/token", "type"),
    (batch(event(type="x")), "/events/0/type", "value"),
    (batch(event(), event(screen=[1, "x"])), "/events/1/screen/1", "type"),
    (batch(event(attrs={"": 1})), "/events/0/attrs", "too_short"),
    (batch(event(attrs={"secret key": []})), "/events/0/attrs", "type"),
    (batch({"type": "page"}), "/events/0/page", "required"),
    ({}, "/site", "required"),
    ([], "", "type"),
]


@pytest.mark.parametrize(("value", "pointer", "code"), CASES)
def test_msgspecs_sentence_becomes_pointer_and_code(value: object, pointer: str, code: str) -> None:
    with pytest.raises(msgspec.ValidationError) as raised:
        msgspec.json.decode(msgspec.json.encode(value), type=Batch)
    error = field_error(str(raised.value))
    assert (error.pointer, error.code) == (pointer, code)


def test_a_key_that_the_sender_chose_never_appears() -> None:
    with pytest.raises(msgspec.ValidationError) as raised:
        msgspec.json.decode(msgspec.json.encode(event(attrs={"Zebra": "x" * 300})), type=Event)
    assert "Zebra" not in repr(field_error(str(raised.value)))
