"""What a person does on the website, decided before the visit begins: pages, pauses, tabs, and how it ends.

Pure: the same random generator gives the same visit. Read `plan_visit`. The numbers are those of web analytics folklore
(most pages are looked at shortly, a few for long: log-normal), chosen so that a list of visitors looks alive.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass
from typing import Literal

from deploy.demo.catalogue import PIECES, STUDIO_STEPS

DWELL_MEDIAN_S, DWELL_SIGMA = 16.0, 0.9
DWELL_LEAST_S, DWELL_MOST_S = 1.5, 300.0
AWAY_MEDIAN_S, AWAY_MOST_S = 14.0, 120.0
MAX_PAGES = 25  # a visit is bounded, however curious the person
GO_ON = 0.83  # chance of one page more: six on average
LOOK_AWAY = 0.18  # chance, for each page, to hide the tab for a while
SECOND_TAB = 0.12
VANISH = 0.2  # ends without a word: the browser was killed, the train entered a tunnel
FIRST_PAGES = (("/", 50), ("piece", 28), ("/collection", 12), ("/studio", 6), ("/about", 4))

Kind = Literal["page", "hide", "show", "close", "vanish"]


@dataclass(frozen=True)
class Action:
    """One thing done in one tab, `after_s` seconds after the thing before. The first page of a tab opens it."""

    after_s: float
    tab: int
    kind: Kind
    path: str = ""


def plan_visit(rng: random.Random) -> list[Action]:
    """A whole visit. It begins with a page in tab 0; every tab that opens is closed or vanishes at the end."""
    path = _first_page(rng)
    actions = [Action(0.0, 0, "page", path)]
    tabs = 1
    current = 0
    for _ in range(MAX_PAGES - 1):
        actions += _look_away(rng, current)
        if rng.random() > GO_ON:
            break
        path = next_page(rng, path)
        if tabs == 1 and rng.random() < SECOND_TAB:
            actions.append(Action(dwell_s(rng), current, "hide"))
            current, tabs = tabs, 2
            actions.append(Action(0.05, current, "page", path))
        else:
            actions.append(Action(dwell_s(rng), current, "page", path))
    return actions + _ending(rng, tabs, current)


def _look_away(rng: random.Random, tab: int) -> list[Action]:
    if rng.random() > LOOK_AWAY:
        return []
    away_s = min(AWAY_MOST_S, rng.lognormvariate(math.log(AWAY_MEDIAN_S), 1.0))
    return [Action(dwell_s(rng) / 2, tab, "hide"), Action(away_s, tab, "show")]


def _ending(rng: random.Random, tabs: int, current: int) -> list[Action]:
    """The tab in front goes first, the forgotten one after a moment."""
    kind: Kind = "vanish" if rng.random() < VANISH else "close"
    order = [current, *(tab for tab in range(tabs) if tab != current)]
    pauses = [dwell_s(rng), *(rng.uniform(0.5, 8.0) for _ in order[1:])]
    return [Action(pause, tab, kind) for pause, tab in zip(pauses, order, strict=True)]


def dwell_s(rng: random.Random) -> float:
    """How long a page is looked at."""
    seconds = rng.lognormvariate(math.log(DWELL_MEDIAN_S), DWELL_SIGMA)
    return min(DWELL_MOST_S, max(DWELL_LEAST_S, seconds))


def _first_page(rng: random.Random) -> str:
    page = rng.choices([name for name, _ in FIRST_PAGES], [weight for _, weight in FIRST_PAGES])[0]
    return _any_piece(rng) if page == "piece" else page


def next_page(rng: random.Random, path: str) -> str:
    """Where people go from here, never to the page they are on."""
    steps = [step for step, _ in STUDIO_STEPS]
    if path in steps[:-1] and rng.random() < 0.8:
        return steps[steps.index(path) + 1]
    if path == steps[-1]:
        return "/contact" if rng.random() < 0.6 else "/collection"
    choices = {"/collection": 30, _any_piece(rng): 42, "/studio": 10, "/about": 8, "/contact": 6, "/": 4}
    choices.pop(path, None)
    return rng.choices(list(choices), list(choices.values()))[0]


def _any_piece(rng: random.Random) -> str:
    return f"/collection/{rng.choice(PIECES).slug}"
