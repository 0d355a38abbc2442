"""The cascades of BARGAIN-PR and LOTUS, as their packages ship them: scores and an oracle in, rows kept and rows asked out.

``folder`` holds the unpacked wheels of ``bargain==0.1.3`` and ``lotus-ai==1.2.4`` (``pip download --no-deps``, unzip).
BARGAIN_PR runs as it is. Of LOTUS the functions that learn a filter's thresholds run as they are, without the rest of the
package. By default they draw their sample from the first 200 rows (``reach``); ``reach=len(truth)`` lets them draw
from all.
"""

from __future__ import annotations

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np

LOTUS_REACH = 200


def bargain_pr(
    scores: np.ndarray, truth: np.ndarray, level: float, failure: float, seed: int, folder: Path
) -> tuple[np.ndarray, np.ndarray]:
    """Masks of the rows that BARGAIN_PR keeps and asks; ``scores`` in 0..1."""
    _stub("tqdm", tqdm=lambda items, **_: items)
    _stub("openai", OpenAI=object)
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    from BARGAIN import BARGAIN_PR, Oracle, Proxy

    class Scores(Proxy):
        def get_preds_and_scores(self, indxs: Any, _records: Any) -> Any:
            chosen = scores[np.asarray(indxs)]
            return (chosen > 0.5).astype(int), np.maximum(chosen, 1 - chosen)

    class Truth(Oracle):
        def get_pred(self, _records: Any, indxs: Any = None) -> Any:
            self.preds_dict.update(dict.fromkeys(np.asarray(indxs).tolist()))
            return truth[np.asarray(indxs)].astype(int)

    oracle = Truth(verbose=False)
    system = BARGAIN_PR(Scores(verbose=False), oracle, delta=failure, target=level, verbose=False, seed=seed)
    chosen = system.process(np.arange(len(truth)).astype(str))
    return _mask(len(truth), chosen), _mask(len(truth), list(oracle.preds_dict))


def lotus(
    scores: np.ndarray,
    truth: np.ndarray,
    level: float,
    failure: float,
    seed: int,
    folder: Path,
    reach: int = LOTUS_REACH,
) -> tuple[np.ndarray, np.ndarray]:
    """Masks of the rows that the filter of LOTUS keeps and asks; ``scores`` in 0..1."""
    module = _lotus(folder)
    arguments = types.SimpleNamespace(
        recall_target=level,
        precision_target=level,
        failure_probability=failure,
        sampling_percentage=0.1,
        cascade_IS_weight=0.9,
        cascade_num_calibration_quantiles=50,
        cascade_IS_max_sample_range=reach,
        cascade_IS_random_seed=seed,
    )
    calibrated = module.calibrate_llm_logprobs(list(scores), arguments)
    rows, factors = module.importance_sampling(calibrated, arguments)
    (high, low), _ = module.learn_cascade_thresholds(
        [calibrated[i] for i in rows], [bool(truth[i]) for i in rows], factors[rows], arguments
    )
    values = np.asarray(calibrated)
    band = (values < high) & (values > low)
    return np.where(band, truth, values >= high), band | _mask(len(truth), rows)


def _mask(count: int, rows: Any) -> np.ndarray:
    mask = np.zeros(count, dtype=bool)
    mask[np.asarray(rows, dtype=np.int64)] = True
    return mask


def _stub(name: str, **attributes: Any) -> None:
    module = types.ModuleType(name)
    for key, value in attributes.items():
        setattr(module, key, value)
    sys.modules.setdefault(name, module)


def _lotus(folder: Path) -> Any:
    _stub("lotus", logger=types.SimpleNamespace(info=lambda _: None))
    _stub("lotus.types", CascadeArgs=types.SimpleNamespace)
    spec = importlib.util.spec_from_file_location("lotus_cascade", folder / "lotus" / "sem_ops" / "cascade_utils.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
