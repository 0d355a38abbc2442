"""Small synthetic tables and a driver for cascades, for tests of what the guarantees need."""

import numpy as np

from rowsight.execution.cascade.protocol import SKIPPED, Ask, Freeze
from rowsight.plan.guarantee import Guarantee


class ArrayRows:
    def __init__(self, features):
        self._features = features

    @property
    def count(self):
        return len(self._features)

    def features(self, rows):
        return self._features[rows]

    def chunks(self):
        for start in range(0, self.count, 500):
            yield start, self._features[start : start + 500]


def line(seed, rows=1000, flipped=0.0):
    """Features and labels: one feature decides, but for a share of flipped labels."""
    rng = np.random.default_rng(seed)
    x = rng.uniform(-1, 1, rows)
    labels = (x > 0).astype(np.int64)
    labels[rng.choice(rows, int(flipped * rows), replace=False)] ^= 1
    return np.column_stack([x, rng.normal(size=rows) * 0.1]).astype(np.float32), labels


class Oracle:
    """Answers out of a column, counts what is asked, keeps what is frozen; dry after ``money`` rows."""

    def __init__(self, labels, money=None):
        self.labels, self.money = labels, money
        self.times = np.zeros(len(labels), dtype=int)
        self.frozen, self.purposes = [], []

    def reply(self, request):
        if isinstance(request, Freeze):
            self.frozen.append(request.record)
            return None
        if not isinstance(request, Ask):
            return None
        self.purposes.append(request.purpose)
        answers = self.labels[request.rows].copy()
        if self.money is not None:
            left = max(0, self.money - self.times.sum())
            answers[left:] = -np.inf if answers.dtype == float else SKIPPED
            self.times[request.rows[:left]] += 1
        else:
            self.times[request.rows] += 1
        return answers


def drive(cascade, oracle):
    reply = None
    while True:
        try:
            request = cascade.send(reply)
        except StopIteration as done:
            return done.value
        reply = oracle.reply(request)


def demand(level=0.9, **more):
    return Guarantee(accuracy=level, **more)
