# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 26: random dependencies of a command line, the same object as flux-core makes of them.

Differences, which the URIs avoid: flux-core takes a scheme alone (``foo``), drops what follows ``#``, does
not part keys by ``;``, drops keys without a value, lets a key ``scheme`` or ``value`` replace those of the
URI, and makes numbers of text that is none in JSON (``nan``, ``1_0``).
"""

from rosin.errors import FormatError
from rosin.rfc.dependency import parse_uri

from .conftest import answers, differing

COUNT = 10_000
THEIRS = """
from flux.job._utils import dependency_array_create
def answer(uri):
    return dependency_array_create([uri])
"""


def uri(rng):
    scheme = rng.choice(
        ["after", "afterany", "afterok", "begin-time", "string", "fluid", "X.y+z", "1a", "", "a b"]
    )
    value = "".join(rng.choices("abƒ1.-/:@%20+=&,", k=rng.randint(0, 8)))
    words = [
        "x",
        "type",
        "in",
        "a b".replace(" ", "+"),
        "%41%2F",
        "1",
        "-2",
        "007",
        "1.5",
        "-.5",
        "1e3",
        "1e",
        ".",
    ]
    keys = [
        f"{rng.choice(['type', 'scope', 'k%20', 'k'])}={rng.choice(words)}" for _ in range(rng.randint(0, 4))
    ]
    return f"{scheme}:{value}" + (f"?{'&'.join(keys)}" if keys or rng.random() < 0.1 else "")


def test_uris(ask, rng):
    uris = [uri(rng) for _ in range(COUNT)]
    ours = answers(lambda text: [parse_uri(text)], uris, FormatError)
    assert differing(uris, ours, ask(THEIRS, uris)) == []
