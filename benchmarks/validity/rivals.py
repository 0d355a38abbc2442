"""Answer a batch of cases with a rival's package. Run by the rival's own interpreter: ``python rivals.py NAME IN.npz OUT.npz``.

IN holds, for each case i: ``guess{i}`` and ``score{i}`` (a proxy's answers and its confidence), ``truth{i}``, and arrays
``target`` and ``failure`` and ``seed``. OUT gets ``answers{i}`` and ``calls{i}``. Needs NumPy and the rival alone:
``bargain==0.1.3`` for bargain and bargain-best, ``lotus-ai==1.1.3`` for lotus.
"""

import sys

import numpy as np


def bargain(guess, score, truth, target, failure, seed, thresholds=20):
    """BARGAIN-A, at its default number of thresholds."""
    from BARGAIN import BARGAIN_A
    from BARGAIN.models.AbstractModels import Oracle, Proxy

    class Given(Proxy):
        def proxy_func(self, row):
            return guess[int(row)], score[int(row)]

        def get_preds_and_scores(self, indexes, _records):
            rows = np.asarray(indexes, dtype=int)
            return guess[rows], score[rows]

    class Truth(Oracle):
        def __init__(self):
            super().__init__()
            self.asked = set()

        def reset(self):
            self.asked = set()

        def oracle_func(self, row):
            return truth[int(row)]

        def get_pred(self, _records, indexes):
            rows = np.asarray(indexes, dtype=int)
            self.asked.update(rows.tolist())
            return truth[rows]

        def is_answer_correct(self, indexes, records, proxy):
            return self.get_pred(records, indexes) == np.asarray(proxy)

    oracle = Truth()
    engine = BARGAIN_A(Given(), oracle, target=target, delta=failure, M=thresholds, verbose=False, seed=seed)
    answers = np.asarray(engine.process([str(i) for i in range(len(truth))])).astype(int)
    return answers, len(oracle.asked)


def bargain_best(guess, score, truth, target, failure, seed):
    """BARGAIN-A with five times as many thresholds."""
    return bargain(guess, score, truth, target, failure, seed, thresholds=100)


ENGINES = {"bargain": bargain, "bargain-best": bargain_best}


def main():
    name, source, goal = sys.argv[1:]
    cases, out = np.load(source), {}
    for i in range(len(cases["target"])):
        arguments = [cases[f"{part}{i}"] for part in ("guess", "score", "truth")]
        settings = float(cases["target"][i]), float(cases["failure"][i]), int(cases["seed"][i])
        out[f"answers{i}"], out[f"calls{i}"] = ENGINES[name](*arguments, *settings)
    np.savez_compressed(goal, **out)


if __name__ == "__main__":
    main()
