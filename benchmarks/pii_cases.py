"""Sentences with personal data whose check digits are right, and with decoys that look like it, from a seed.

The check digits are computed here from the published rules, apart from any library that checks them. A case is a
sentence in one of several languages with at most one value or decoy; half of the national numbers stand beside a word
that names them and half don't.
"""

from __future__ import annotations

import random
import string
from collections.abc import Callable
from dataclasses import dataclass

LETTERS = string.ascii_uppercase


@dataclass(frozen=True)
class Case:
    """A sentence; ``kind`` and the span of what it holds, ``None`` for a decoy or nothing."""

    text: str
    kind: str | None
    start: int
    end: int
    decoy: str | None


Draw = random.Random


def luhn(body: str) -> str:
    total = 0
    for i, digit in enumerate(reversed(body)):
        n = int(digit) * (2 if i % 2 == 0 else 1)
        total += n - 9 if n > 9 else n
    return str(-total % 10)


def digits(draw: Draw, n: int) -> str:
    return "".join(draw.choice(string.digits) for _ in range(n))


def card(draw: Draw) -> str:
    prefix, length = draw.choice(
        [("4", 16), ("51", 16), ("2221", 16), ("34", 15), ("6011", 16), ("3528", 16), ("36", 14)]
    )
    body = prefix + digits(draw, length - len(prefix) - 1)
    number = body + luhn(body)
    if length == 16 and draw.random() < 0.6:
        mark = draw.choice(" -")
        return mark.join(number[i : i + 4] for i in range(0, 16, 4))
    return number


def iban(draw: Draw) -> str:
    forms = {
        "DE": "n18",
        "FR": None,
        "ES": None,
        "NL": "a4n10",
        "GB": "a4n14",
        "PL": None,
        "IT": None,
        "AT": "n16",
        "CH": "n5n12",
    }
    country = draw.choice([c for c, form in forms.items() if form])
    body = ""
    for part in forms[country].replace("n", " n").replace("a", " a").split():
        kind, n = part[0], int(part[1:])
        body += digits(draw, n) if kind == "n" else "".join(draw.choice(LETTERS) for _ in range(n))
    spelled = "".join(str(int(c, 36)) for c in f"{body}{country}00")
    compact = f"{country}{98 - int(spelled) % 97:02d}{body}"
    return " ".join(compact[i : i + 4] for i in range(0, len(compact), 4)) if draw.random() < 0.5 else compact


def email(draw: Draw) -> str:
    name = draw.choice(["anna", "j.lee", "li.wei", "maria+news", "o'brien", "kurt_99", "x", "ops-team"])
    return f"{name}@{draw.choice(['example', 'mail-box', 'sub.firma', 'acme'])}.{draw.choice(['com', 'de', 'co.uk', 'cn', 'museum'])}"


def ip(draw: Draw) -> str:
    if draw.random() < 0.3:
        groups = [draw.randrange(0x2A00, 0x2A10), *(draw.randrange(1, 65536) for _ in range(7))]
        return ":".join(f"{group:x}" for group in groups)
    return ".".join(str(n) for n in (draw.randrange(11, 200), *(draw.randrange(256) for _ in range(3))))


def phone(draw: Draw) -> str:
    d = lambda n: digits(draw, n)  # noqa: E731 - short forms read best
    forms = [
        lambda: f"+1 {draw.choice(['212', '415', '650', '312'])} {draw.choice('23456789')}{d(2)} {d(4)}",
        lambda: f"({draw.choice(['212', '415', '650', '312'])}) {draw.choice('23456789')}{d(2)}-{d(4)}",
        lambda: f"{draw.choice(['212', '415', '650'])}-{draw.choice('23456789')}{d(2)}-{d(4)}",
        lambda: f"+49 30 {draw.choice('23456789')}{d(6)}",
        lambda: f"030 {draw.choice('23456789')}{d(6)}",
        lambda: f"+44 20 7{d(3)} {d(4)}",
        lambda: f"020 7{d(3)} {d(4)}",
        lambda: f"+33 6 {d(2)} {d(2)} {d(2)} {d(2)}",
        lambda: f"06 {d(2)} {d(2)} {d(2)} {d(2)}",
        lambda: f"+34 6{d(2)} {d(3)} {d(3)}",
        lambda: f"+86 138{d(8)}",
        lambda: f"138{d(8)}",
        lambda: f"+55 11 9{draw.choice('6789')}{d(3)}-{d(4)}",
        lambda: f"+91 98{d(3)} {d(5)}",
    ]
    return draw.choice(forms)()


def dni(draw: Draw) -> str:
    body = digits(draw, 8)
    return body + draw.choice(["", "-"]) + "TRWAGMYFPDXBNJZSQVHLCKE"[int(body) % 23]


def nie(draw: Draw) -> str:
    first, body = draw.choice("XYZ"), digits(draw, 7)
    return first + body + "TRWAGMYFPDXBNJZSQVHLCKE"[int(str("XYZ".index(first)) + body) % 23]


_ODD = dict(zip("0123456789", (1, 0, 5, 7, 9, 13, 15, 17, 19, 21), strict=True)) | dict(
    zip(
        LETTERS,
        (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23),
        strict=True,
    )
)


def codice_fiscale(draw: Draw) -> str:
    consonants = "BCDFGLMNPRSTVZ"
    name = "".join(draw.choice(consonants) for _ in range(6))
    body = f"{name}{digits(draw, 2)}{draw.choice('ABCDEHLMPRST')}{draw.randrange(1, 29):02d}{draw.choice('ABCDEFGHIL')}{draw.randrange(100, 999)}"
    total = sum(_ODD[c] if i % 2 == 0 else int(c, 36) - (10 if c.isalpha() else 0) for i, c in enumerate(body))
    return body + LETTERS[total % 26]


def nir(draw: Draw) -> str:
    body = f"{draw.choice('12')}{draw.randrange(30, 99)}{draw.randrange(1, 13):02d}{draw.randrange(1, 95):02d}{draw.randrange(1, 990):03d}{draw.randrange(1, 999):03d}"
    body = body[:5] + (body[5:7] if body[5:7] != "20" else "75") + body[7:]
    number = f"{body}{97 - int(body) % 97:02d}"
    if draw.random() < 0.5:
        return number
    return f"{number[0]} {number[1:3]} {number[3:5]} {number[5:7]} {number[7:10]} {number[10:13]} {number[13:]}"


def steuer_id(draw: Draw) -> str:
    while True:
        pool = draw.sample(string.digits, 9)
        body = [*pool, draw.choice(pool)]
        draw.shuffle(body)
        if body[0] != "0":
            break
    product = 10
    for digit in body:
        total = (int(digit) + product) % 10 or 10
        product = total * 2 % 11
    number = "".join(body) + str((11 - product) % 10)
    return number if draw.random() < 0.5 else f"{number[:2]} {number[2:5]} {number[5:8]} {number[8:]}"


def pesel(draw: Draw) -> str:
    body = f"{draw.randrange(40, 99):02d}{draw.randrange(1, 13):02d}{draw.randrange(1, 29):02d}{digits(draw, 4)}"
    total = sum(int(d) * w for d, w in zip(body, (1, 3, 7, 9) * 3, strict=False))
    return body + str(-total % 10)


def bsn(draw: Draw) -> str:
    while True:
        body = draw.choice("123") + digits(draw, 7)
        check = sum(int(d) * w for d, w in zip(body, range(9, 1, -1), strict=True)) % 11
        if check < 10:
            return body + str(check)


def resident_id(draw: Draw) -> str:
    region = draw.choice(["110105", "310101", "440106", "330102", "510104"])
    body = (
        f"{region}{draw.randrange(1950, 2010)}{draw.randrange(1, 13):02d}{draw.randrange(1, 29):02d}{digits(draw, 3)}"
    )
    total = sum(int(d) * pow(2, 17 - i, 11) for i, d in enumerate(body))
    return body + "10X98765432"[total % 11]


def ssn(draw: Draw) -> str:
    area = draw.choice([n for n in range(1, 900) if n not in (666, 219, 457, 78)])
    return f"{area:03d}-{draw.randrange(1, 100):02d}-{draw.randrange(1, 10000):04d}"


def nino(draw: Draw) -> str:
    first = draw.choice("ABCEGHJKLMNPRSTWXYZ")
    second = draw.choice("ABCEGHJKLMPRSTWXYZ")
    if first + second in ("BG", "GB", "KN", "NK", "NT", "TN", "ZZ"):
        first, second = "J", "G"
    d = digits(draw, 6)
    compact = f"{first}{second}{d}{draw.choice('ABCD')}"
    return compact if draw.random() < 0.5 else f"{compact[:2]} {d[:2]} {d[2:4]} {d[4:]} {compact[-1]}"


def cpf(draw: Draw) -> str:
    body = digits(draw, 9)
    for length in (9, 10):
        total = sum(int(d) * w for d, w in zip(body, range(length + 1, 1, -1), strict=True))
        body += str(total * 10 % 11 % 10)
    return f"{body[:3]}.{body[3:6]}.{body[6:9]}-{body[9:]}" if draw.random() < 0.6 else body


_D = [[(i + j) % 5 if i < 5 and j < 5 else 0 for j in range(10)] for i in range(10)]
for _i in range(10):
    for _j in range(10):  # the dihedral group of order ten
        if _i < 5:
            _D[_i][_j] = (_i + _j) % 5 if _j < 5 else (_i + _j - 5) % 5 + 5
        else:
            _D[_i][_j] = (_i - 5 - _j) % 5 + 5 if _j < 5 else (_i - _j) % 5
_F = [1, 5, 7, 6, 2, 8, 3, 0, 9, 4]


def _permuted(times: int, digit: int) -> int:
    for _ in range(times % 8):
        digit = _F[digit]
    return digit


def aadhaar(draw: Draw) -> str:
    body = draw.choice("23456789") + digits(draw, 10)
    for last in range(10):
        check = 0
        for i, digit in enumerate(reversed(body + str(last))):
            check = _D[check][_permuted(i, int(digit))]
        if check == 0:
            number = body + str(last)
            break
    return f"{number[:4]} {number[4:8]} {number[8:]}" if draw.random() < 0.6 else number


MAKERS: dict[str, Callable[[Draw], str]] = {
    "email": email,
    "iban": iban,
    "card": card,
    "ip": ip,
    "phone": phone,
    "id-es": lambda draw: draw.choice([dni, nie])(draw),
    "id-it": codice_fiscale,
    "id-fr": nir,
    "id-de": steuer_id,
    "id-pl": pesel,
    "id-nl": bsn,
    "id-cn": resident_id,
    "id-us": ssn,
    "id-gb": nino,
    "id-br": cpf,
    "id-in": aadhaar,
}
NAMED = {
    "email": ["Write to {}.", "Meine Adresse ist {}, danke", "请回复到 {} 谢谢"],
    "iban": ["Please pay to IBAN {} by Friday", "Meine IBAN lautet {}", "IBAN: {}"],
    "card": ["My credit card {} was charged twice", "Die Kreditkarte {} ist gesperrt", "Visa card no. {}"],
    "ip": ["Blocked address {} after ten tries", "login from {} at night", "IP {}"],
    "phone": ["Call me at {} after five", "Telefon: {}", "我的电话是 {} 。", "Tel. {}"],
    "id-es": ["Mi DNI es {} y vivo en Madrid", "NIF {}"],
    "id-it": ["Codice fiscale: {}", "il mio codice fiscale è {}, grazie"],
    "id-fr": ["Mon numéro de sécurité sociale est {}", "NIR {}"],
    "id-de": ["Meine Steuer-ID ist {}", "Steueridentifikationsnummer: {}"],
    "id-pl": ["Mój numer PESEL to {}", "PESEL: {}"],
    "id-nl": ["Mijn BSN is {}", "burgerservicenummer {}"],
    "id-cn": ["我的身份证号是 {} 。", "身份证: {}"],
    "id-us": ["My SSN is {}", "social security number {}"],
    "id-gb": ["My NINO is {}", "National Insurance number {}"],
    "id-br": ["Meu CPF é {}", "CPF: {}"],
    "id-in": ["My Aadhaar is {}", "Aadhaar number {}"],
}
PLAIN = [
    "Here it is again: {}",
    "As I told your colleague, {}",
    "{} - please check",
    "Noted on the form: {}",
    "见附件 {}",
]


def _wrong(draw: Draw, value: str) -> str:
    """Return ``value`` with its last digit or letter changed: the check no longer fits."""
    place = max(i for i, c in enumerate(value) if c.isalnum())
    pool = string.digits if value[place].isdigit() else LETTERS
    return value[:place] + draw.choice([c for c in pool if c != value[place]]) + value[place + 1 :]


DECOYS: dict[str, Callable[[Draw], str]] = {
    "wrong check": lambda draw: _wrong(
        draw, MAKERS[draw.choice(["iban", "card", "id-es", "id-it", "id-fr", "id-de", "id-cn", "id-br"])](draw)
    ),
    "order number": lambda draw: draw.choice(["order {}", "Bestellung {}", "订单号 {}", "ticket #{}", "{}"]).format(
        digits(draw, draw.choice([6, 8, 9, 10, 11, 12, 13, 15, 16]))
    ),
    "timestamp": lambda draw: draw.choice(
        [
            f"{draw.randrange(1_500_000_000, 1_800_000_000)}",
            f"{draw.randrange(1_500_000_000_000, 1_800_000_000_000)}",
            f"20{draw.randrange(10, 26)}-{draw.randrange(1, 13):02d}-{draw.randrange(1, 29):02d} {draw.randrange(24):02d}:{draw.randrange(60):02d}:{draw.randrange(60):02d}",
            f"{draw.randrange(1, 29):02d}.{draw.randrange(1, 13):02d}.20{draw.randrange(10, 26)}",
            f"20{draw.randrange(10, 26)}{draw.randrange(1, 13):02d}{draw.randrange(1, 29):02d}{draw.randrange(24):02d}{draw.randrange(60):02d}{draw.randrange(60):02d}",
        ]
    ),
    "version": lambda draw: draw.choice(["version {}", "v{}", "firmware {}"]).format(
        ".".join(str(draw.randrange(30)) for _ in range(draw.choice([3, 4])))
    ),
    "code": lambda draw: draw.choice(
        [
            f"{''.join(draw.choice(LETTERS) for _ in range(2))}-{digits(draw, 7)}",
            f"{''.join(draw.choice(LETTERS) for _ in range(3))}{digits(draw, 6)}",
            f"ISBN 978-{digits(draw, 1)}-{digits(draw, 4)}-{digits(draw, 4)}-{digits(draw, 1)}",
            f"{digits(draw, 8)}-{digits(draw, 4)}-4{digits(draw, 3)}-8{digits(draw, 3)}-{digits(draw, 12)}",
            f"{draw.randrange(1000):,}.{digits(draw, 2)} EUR",
            f"{digits(draw, 3)} {digits(draw, 3)} {digits(draw, 3)} units",
        ]
    ),
    "at sign": lambda draw: draw.choice(
        ["icon@2x.png", "react@18.2.0", "meet @ 9:30", "user@localhost", "@anna_99", "5 pcs @3.50"]
    ),
}


def cases(count: int, seed: int) -> list[Case]:
    """Return ``count`` sentences with a value and as many with a decoy."""
    draw = random.Random(seed)
    kinds, decoys = list(MAKERS), list(DECOYS)
    found = []
    for i in range(count):
        kind = kinds[i % len(kinds)]
        frame = draw.choice(NAMED[kind] if draw.random() < 0.5 else PLAIN)
        found.append(_case(frame, MAKERS[kind](draw), kind, None))
        decoy = decoys[i % len(decoys)]
        found.append(_case(draw.choice(PLAIN), DECOYS[decoy](draw), None, decoy))
    return found


def _case(frame: str, value: str, kind: str | None, decoy: str | None) -> Case:
    start = frame.index("{}")
    return Case(frame.format(value), kind, start, start + len(value), decoy)
