"""Every form of a field error, on a type made for it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
import pytest
from msgspec import Meta, Struct

from shared.domain.field_errors import field_error


class Inner(Struct, forbid_unknown_fields=True):
    number: Annotated[int, Meta(ge=1, le=9)] = 1
    big: Annotated[int, Meta(ge=0)] | None = None


class Outer(Struct, forbid_unknown_fields=True):
    text: Annotated[str, Meta(min_length=2, max_length=3, pattern="^x")] = "xx"
    word: Literal["a", "b"] = "a"
    items: Annotated[tuple[Inner, ...], Meta(min_length=1, max_length=2)] = (Inner(),)
    named: dict[str, Inner] = {}
    keys: dict[Annotated[str, Meta(max_length=1)], int] = {}
    wanted: int = msgspec.field(default=0)


class Needs(Struct):
    name: str
    inner: Inner | None = None


@pytest.mark.parametrize(
    ("value", "pointer", "code"),
    [
        ({"text": 1}, "/text", "type"),
        ({"text": "x"}, "/text", "too_short"),
        ({"text": "xxxx"}, "/text", "too_long"),
        ({"text": "yyy"}, "/text", "format"),
        ({"word": "secret"}, "/word", "value"),
        ({"items": []}, "/items", "too_few"),
        ({"items": [{}, {}, {}]}, "/items", "too_many"),
        ({"items": [{}, {"number": 0}]}, "/items/1/number", "range"),
        ({"items": [{"number": 10}]}, "/items/0/number", "range"),
        ({"items": [{"secret": 10}]}, "/items/0", "unknown_field"),
        ({"secret": 1}, "", "unknown_field"),
        ({"named": {"secret": {"number": "x"}}}, "/named", "type"),
        ({"keys": {"secret": 1}}, "/keys", "too_long"),
        ({"wanted": None}, "/wanted", "type"),
        ([], "", "type"),
    ],
)
def test_pointer_and_code_are_told_and_the_value_is_not(value: Any, pointer: str, code: str) -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(msgspec.json.encode(value), type=Outer)
    error = field_error(str(caught.value))
    assert (error.pointer, error.code) == (pointer, code)
    assert "secret" not in msgspec.json.encode(error).decode()


def test_a_missing_field_is_pointed_at() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(b"{}", type=Needs)
    assert field_error(str(caught.value)).pointer == "/name"
    assert field_error(str(caught.value)).code == "required"


def test_a_number_beyond_every_range_is_a_range() -> None:
    with pytest.raises(msgspec.ValidationError) as caught:
        msgspec.json.decode(b'{"items":[{"big":-99999999999999999999999}]}', type=Outer)
    assert field_error(str(caught.value)).code in ("range", "type")
