"""A test, valid over the whole life of a table, of whether a frozen proxy errs more often than was established.

**Null.** Each row drawn from the new versions is, whatever came before, one that the frozen earlier proxy would answer
wrongly with a chance of at most ``rate``, the rate established for the version in which it was frozen. (So it is where
the rows of the versions are independent draws of one law under which the proxy errs at most that often.)

**Within a version** a bet on the error rate q > rate multiplies its stake by q / rate at an error and by
(1 - q) / (1 - rate) otherwise. The factor's mean rises with the chance of an error and is 1 at ``rate``: under the null the
stake is a nonnegative supermartingale, whenever one looks. Several rates are bet on at once, and several zones, each
with an equal share of the stake; the sum is one again.

**Over the versions** the drift may begin anywhere, so each version j opens an account with the stake 1 / (j (j + 1)) that
is multiplied by the evidence of version j and of all later ones; stakes not yet opened are cash. The sum starts at 1, so by
Ville's inequality it ever reaches 1/a with a chance of at most a. After an alarm the proxy is trained anew and the test
starts over, the i-th time at a / (i (i + 1)): all false alarms of the table's life have together a chance of at most a.

Source of the method of mixtures: Ramdas, Gruenwald, Vovk and Shafer, "Game-theoretic statistics and safe anytime-valid
inference" (Statistical Science 2023); of restarting accounts: Shin, Ramdas and Rinaldo, "E-detectors" (2022).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from math import log
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import beta

if TYPE_CHECKING:
    from collections.abc import Sequence

FALSE_ALARM = 0.05
"""The chance that there is ever a false alarm."""
MULTIPLES = (1.5, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0)
"""Error rates that are bet on, as multiples of the established one."""
_LARGEST = 0.95
_MARGIN = 0.99
"""Confidence at which an error share of rows is turned into a rate of the law behind them."""
_HIGHEST = 700.0
"""Log worth beyond which a number overflows."""


def established_rate(errors: int, rows: int) -> float:
    """Return the rate that ``errors`` of ``rows`` rows establish: Clopper and Pearson's upper end at 99%."""
    return 1.0 if errors >= rows else float(beta.ppf(_MARGIN, errors + 1, rows - errors))


def log_evidence(errors: int, drawn: int, rate: float) -> float:
    """Return the log of the evidence that rows are wrong more often than ``rate``, from ``errors`` of ``drawn`` rows."""
    if not drawn or rate >= _LARGEST:
        return 0.0
    bets = np.minimum(rate * np.array(MULTIPLES), _LARGEST)
    logs = errors * np.log(bets / rate) + (drawn - errors) * np.log((1 - bets) / (1 - rate))
    return float(np.logaddexp.reduce(logs)) - log(len(bets))


@dataclass
class Evidence:
    """The accounts since the test was started for the ``epoch``-th time.

    ``logs`` holds the log evidence of each version before this one, ``now`` that of this one; ``worth`` is what all accounts
    together are worth.
    """

    logs: list[float] = field(default_factory=list)
    epoch: int = 1
    now: float = 0.0
    worth: float = 1.0
    alarm: bool = False

    @property
    def threshold(self) -> float:
        """The worth that raises the alarm."""
        return self.epoch * (self.epoch + 1) / FALSE_ALARM

    def observe(self, errors: Sequence[int], drawn: int, rates: Sequence[float]) -> None:
        """Take what was drawn in this version up to now, one number of errors and one rate a zone."""
        zones = [log_evidence(x, drawn, rate) for x, rate in zip(errors, rates, strict=True)]
        self.now = float(np.logaddexp.reduce(zones)) - log(len(zones))
        versions = [*self.logs, self.now]
        stakes = np.array([-log(j * (j + 1)) for j in range(1, len(versions) + 1)])
        accounts = stakes + np.cumsum(versions[::-1])[::-1]
        self.worth = float(np.exp(np.minimum(accounts, _HIGHEST)).sum()) + 1 / (len(versions) + 1)
        self.alarm = self.alarm or self.worth >= self.threshold

    def after(self) -> Evidence:
        """Return the accounts that the next version goes on with."""
        return Evidence(epoch=self.epoch + 1) if self.alarm else Evidence([*self.logs, self.now], self.epoch)
