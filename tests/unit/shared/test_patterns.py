"""Patterns of the contracts hold to the very end of the text."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import msgspec
import pytest

from shared.contracts import control, ids, operators, sites


@pytest.mark.parametrize(
    ("kind", "good"),
    [
        (ids.Uuid, "0f8fad5b-d9cb-469f-a165-70867728950e"),
        (ids.SiteKey, "s_9f8e7d6c"),
        (ids.OperatorId, "o_9f8e7d6c"),
        (ids.SkillId, "sales"),
        (ids.Email, "ann@x.example"),
        (ids.CountryCode, "DE"),
        (sites.Origin, "https://x.example"),
        (control.Label, "Ann"),
        (operators.CountryFilter, ""),
    ],
)
def test_a_newline_at_the_end_does_not_fit(kind: Any, good: str) -> None:
    assert msgspec.convert(good, kind) == good
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(good + "\n", kind)


def test_every_pattern_of_the_contracts_says_so_unless_its_length_is_fixed() -> None:
    open_ended = {
        line.split(" =")[0]
        for file in Path(control.__file__ or "").parent.glob("*.py")
        for line in file.read_text(encoding="utf-8").splitlines()
        if re.search(r'pattern=r?f?".*\$"', line)
    }
    assert open_ended == {"CountryCode"}, "end the pattern with $(?!\\n)"
