"""When views are brought up to date, and what is left out when there is too much to do."""

from __future__ import annotations

import pytest

from services.operator_gateway.live.pace import BUSY_S, FLOOR_S, SLOWEST_S, Load, Pace
from services.operator_gateway.views.shedding import Shedding


def test_a_lone_change_is_shown_at_once() -> None:
    pace = Pace()
    assert pace.delay_s(100.0) == 0
    pace.flushed(100.0, 0.0001)
    assert pace.delay_s(100.0 + FLOOR_S) == 0


def test_a_cheap_list_waits_only_for_the_rest_of_a_burst() -> None:
    pace = Pace()
    pace.flushed(100.0, 0.0001)
    assert pace.delay_s(100.005) == pytest.approx(FLOOR_S - 0.005)


@pytest.mark.parametrize(
    ("cost_s", "distance_s"),
    [(0.0001, FLOOR_S), (0.005, 0.05), (0.02, BUSY_S), (0.04, BUSY_S), (0.1, 0.4), (5, SLOWEST_S)],
)
def test_the_distance_is_in_proportion_to_the_cost(cost_s: float, distance_s: float) -> None:
    pace = Pace()
    for step in range(50):
        pace.flushed(float(step), cost_s)
    assert pace.distance_s() == pytest.approx(distance_s, rel=0.01)


def test_shedding_makes_ticks_slower_first() -> None:
    pace = Pace()
    distances = [pace.distance_s(shedding) for shedding in Shedding]
    assert distances == [FLOOR_S, 0.5, SLOWEST_S, SLOWEST_S]


def test_load_sheds_step_by_step_and_takes_it_back_when_it_stays_calm() -> None:
    load = Load()
    levels = []
    for _ in range(4):
        for _ in range(Load.PRESSED_SAMPLES):
            load.sample(1.0, 0.0)
        levels.append(load.shedding)
    assert levels == [Shedding.TICKS, Shedding.PAGES, Shedding.IDLE, Shedding.IDLE]
    for _ in range(Load.CALM_SAMPLES - 1):
        load.sample(0.1, 0.0)
    levels.append(load.shedding)
    load.sample(0.8, 0.0)  # between the marks: neither worse nor calm
    for _ in range(3 * Load.CALM_SAMPLES):
        load.sample(0.1, 0.0)
    levels.append(load.shedding)
    assert levels[4:] == [Shedding.IDLE, Shedding.NOTHING]


def test_a_loop_that_comes_late_is_load_too() -> None:
    load = Load()
    levels = []
    for late_s in (Load.LATE_S, 0.0, Load.LATE_S, Load.LATE_S):
        load.sample(0.1, late_s)
        levels.append(load.shedding)
    assert levels == [Shedding.NOTHING, Shedding.NOTHING, Shedding.NOTHING, Shedding.TICKS]
