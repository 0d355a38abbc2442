"""presidio-analyzer's pattern recognisers on a JSON list of texts from stdin; runs in an environment of its own.

Its models for names and places are left out: the texts are tokenised by spaCy's rules alone, so that the recognisers'
context words count as they do by default.
"""

from __future__ import annotations

import importlib.metadata
import inspect
import json
import logging
import sys
import time

import spacy
from presidio_analyzer import AnalyzerEngine, RecognizerRegistry, predefined_recognizers
from presidio_analyzer.nlp_engine import NlpArtifacts, NlpEngine

logging.disable(logging.WARNING)
KINDS = {
    "EMAIL_ADDRESS": "email",
    "IBAN_CODE": "iban",
    "CREDIT_CARD": "card",
    "IP_ADDRESS": "ip",
    "PHONE_NUMBER": "phone",
    "ES_NIF": "id-es",
    "ES_NIE": "id-es",
    "IT_FISCAL_CODE": "id-it",
    "DE_TAX_ID": "id-de",
    "PL_PESEL": "id-pl",
    "US_SSN": "id-us",
    "UK_NINO": "id-gb",
    "IN_AADHAAR": "id-in",
}
NAMES = [
    "EmailRecognizer",
    "IbanRecognizer",
    "CreditCardRecognizer",
    "IpRecognizer",
    "PhoneRecognizer",
    "EsNifRecognizer",
    "EsNieRecognizer",
    "ItFiscalCodeRecognizer",
    "DeTaxIdRecognizer",
    "PlPeselRecognizer",
    "UsSsnRecognizer",
    "UkNinoRecognizer",
    "InAadhaarRecognizer",
]
THRESHOLDS = (0.0, 0.4)


class Tokens(NlpEngine):
    """spaCy's tokeniser without a model; the lemma of a word is the word in lower case."""

    def __init__(self) -> None:
        self._nlp = spacy.blank("en")

    def load(self) -> None:
        pass

    def is_loaded(self) -> bool:
        return True

    def process_text(self, text: str, language: str) -> NlpArtifacts:
        doc = self._nlp(text)
        words = [t.text.lower() for t in doc]
        return NlpArtifacts([], doc, [t.idx for t in doc], words, self, language)

    def process_batch(self, texts, language, **kwargs):  # noqa: ARG002 - the contract's
        for text in texts:
            yield text, self.process_text(text, language)

    def is_stopword(self, word: str, language: str) -> bool:  # noqa: ARG002 - the contract's
        return self._nlp.vocab[word].is_stop

    def is_punct(self, word: str, language: str) -> bool:  # noqa: ARG002 - the contract's
        return self._nlp.vocab[word].is_punct

    def get_supported_entities(self):
        return []

    def get_supported_languages(self):
        return ["en"]


def analyzer() -> AnalyzerEngine:
    registry = RecognizerRegistry(supported_languages=["en"])
    for name in NAMES:
        kind = getattr(predefined_recognizers, name)
        options = {"supported_language": "en"} if "supported_language" in inspect.signature(kind).parameters else {}
        registry.add_recognizer(kind(**options))
    return AnalyzerEngine(registry=registry, nlp_engine=Tokens(), supported_languages=["en"])


def best(found) -> list[tuple[str, int, int]]:
    """Return spans that don't overlap, the surest first: one value is one find."""
    kept = []
    for r in sorted(found, key=lambda r: (-r.score, r.start)):
        if not any(r.start < k.end and k.start < r.end for k in kept):
            kept.append(r)
    return [(KINDS[r.entity_type], r.start, r.end) for r in kept]


def main() -> None:
    texts = json.loads(sys.stdin.read())
    engine = analyzer()
    engine.analyze("warm up +49 30 901820", language="en")
    started = time.process_time()
    found = [[r for r in engine.analyze(t, language="en") if r.entity_type in KINDS] for t in texts]
    seconds = time.process_time() - started
    spans = {str(t): [best([r for r in row if r.score >= t]) for row in found] for t in THRESHOLDS}
    version = importlib.metadata.version("presidio-analyzer")
    json.dump(
        {"version": version, "cpu_seconds": seconds, "covers": sorted(set(KINDS.values())), "found": spans}, sys.stdout
    )


if __name__ == "__main__":
    main()
