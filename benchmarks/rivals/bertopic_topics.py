"""Topics of texts by BERTopic, from embeddings that are given: run in an environment of its own.

Usage: python bertopic_topics.py WORK.npz GOLD, where WORK.npz holds ``texts`` and ``vectors`` (rows, dimensions). Prints one
JSON object: the topics at the defaults, with outliers put to their nearest topics, and with as many topics as GOLD, with
CPU seconds. UMAP is seeded, as its authors advise for repeatable results.
"""

from __future__ import annotations

import json
import sys
import time
import warnings

import numpy as np

warnings.filterwarnings("ignore")


def main(work: str, gold: int) -> None:
    """Fit twice, and print what came out."""
    from bertopic import BERTopic
    from sklearn.feature_extraction.text import CountVectorizer
    from umap import UMAP

    loaded = np.load(work, allow_pickle=False)
    texts, vectors = loaded["texts"].tolist(), loaded["vectors"]
    words = CountVectorizer(token_pattern=r"(?u)[\u3040-\u30ff\u4e00-\u9fff]{2}|[^\W\d_]{2,}")
    found: dict[str, object] = {}
    for name, topics in (("default", None), ("gold", gold)):
        started = time.process_time()
        umap = UMAP(n_neighbors=15, n_components=5, min_dist=0.0, metric="cosine", random_state=0)
        model = BERTopic(embedding_model=None, umap_model=umap, vectorizer_model=words, nr_topics=topics)
        given, _ = model.fit_transform(texts, vectors)
        found[name] = {"topics": given, "seconds": time.process_time() - started}
        if -1 in given and len(set(given)) > 1:
            placed = model.reduce_outliers(texts, given, strategy="embeddings", embeddings=vectors)
            found[f"{name}, outliers placed"] = {"topics": placed, "seconds": time.process_time() - started}
    json.dump(found, sys.stdout, default=int)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
