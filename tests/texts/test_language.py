"""Languages of texts and trouble with their encoding."""

import pytest

from rowsight.texts.encoding import trouble
from rowsight.texts.language import languages, shares
from rowsight.worlds import generate

SPOKEN = {
    "en": "Where is the parcel that I ordered three weeks ago?",
    "zh": "我的包裹三个星期前就寄出了，为什么还没有到？",
    "de": "Wo ist das Paket, das ich vor drei Wochen bestellt habe?",
    "es": "¿Dónde está el paquete que pedí hace tres semanas?",
    "fr": "Où est le colis que j'ai commandé il y a trois semaines ?",
    "ar": "أين الطرد الذي طلبته منذ ثلاثة أسابيع؟",
    "ja": "三週間前に注文した荷物はどこにありますか？",
    "ru": "Где посылка, которую я заказал три недели назад?",
}


def test_the_big_languages_are_told_apart():
    assert languages(SPOKEN.values()) == list(SPOKEN)


def test_what_says_nothing_is_undetermined():
    assert languages(["", "12 34", "ok", "???"]) == ["und"] * 4


def test_a_short_text_is_in_a_language_of_its_table():
    assert languages(["Deep learning"]) == ["und"]
    assert languages([SPOKEN["en"]] * 9 + ["Deep learning"])[-1] == "en"


@pytest.mark.parametrize("lang", ["en", "zh"])
def test_shares_of_a_generated_table(lang):
    texts = [t for t in generate("support", lang, rows=1000, seed=3).column("text").to_pylist() if t]
    found = dict(shares(texts))
    assert found[lang] > 0.95
    assert sum(found.values()) == pytest.approx(1)


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("schÃ¶n", "UTF-8 read as Latin-1"),
        ("itâ€™s", "UTF-8 read as Latin-1"),
        ("a\ufffdb", "replacement characters"),
        ("a\x00b", "control characters"),
        ("Tom &amp; Jerry", "escaped markup"),
        ("schön, façade, São Paulo, âge, 'ok' & co", None),
        ("Ångström in Århus, PÃO", None),
    ],
)
def test_trouble_with_the_encoding(text, kind):
    assert trouble(text) == kind
