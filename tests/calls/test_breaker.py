from __future__ import annotations

import math

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from rowsight.calls.breaker import Breaker


class BreakerMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.breaker = Breaker(clock=lambda: self.now, threshold=3, shortest=1.0, longest=8.0)
        self.out: list[int] = []
        self.streak = 0
        self.probe: int | None = None

    @rule()
    def send(self) -> None:
        if self.breaker.ready_in() > 0:
            return
        was = self.breaker.state
        ticket = self.breaker.enter()
        self.out.append(ticket)
        if was == "open":
            assert self.probe is None
            self.probe = ticket
            assert self.breaker.ready_in() == math.inf

    @rule(good=st.sampled_from([True, False, None]), which=st.integers(0, 20))
    def come_back(self, good, which) -> None:
        if not self.out:
            return
        ticket = self.out.pop(which % len(self.out))
        state, current = self.breaker.state, self.breaker.ticket
        self.breaker.record(ticket, good=good)
        if ticket != current:
            assert self.breaker.state == state
        elif state == "half-open":
            self.probe = None
            assert self.breaker.state == ("closed" if good else "open")
            assert good is not None or self.breaker.ready_in() == 0
            self.streak = 0
        else:
            self.streak = self.streak if good is None else 0 if good else self.streak + 1
            assert (self.breaker.state == "open") == (self.streak >= 3)

    @rule(seconds=st.floats(0, 10))
    def wait(self, seconds) -> None:
        self.now += seconds

    @invariant()
    def waits_are_bounded(self) -> None:
        if self.breaker.state != "half-open":
            assert 0 <= self.breaker.ready_in() <= 8.0
        else:
            assert self.probe is not None


TestBreaker = BreakerMachine.TestCase
TestBreaker.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_an_outage_is_probed_less_and_less_often():
    now = 0.0
    breaker = Breaker(clock=lambda: now, threshold=1, shortest=1.0, longest=5.0)
    breaker.record(breaker.enter(), good=False)
    waits = []
    for _ in range(5):
        waits.append(breaker.ready_in())
        now += breaker.ready_in()
        breaker.record(breaker.enter(), good=False)
    assert waits == [1.0, 2.0, 4.0, 5.0, 5.0]
