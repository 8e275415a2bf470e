# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin shutdown --gc``: what it announces is what comes."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from rosin.cli.shutdown import _prepare_dump, parser


class Instance:
    """What the command sees of an instance."""

    def __init__(self, **attrs):
        self.attrs = attrs

    def attr_get(self, name):
        return self.attrs[name.replace(".", "_")]

    def attr_set(self, name, value):
        self.attrs[name.replace(".", "_")] = value


def announced(capsys, attr="", **options):
    args = SimpleNamespace(prog="p", **{"gc": False, "dump": None, "skip_gc": False, **options})
    instance = Instance(content_dump=attr)
    _prepare_dump(instance, args)
    return instance.attrs["content_dump"], capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "attr"), [({"gc": True}, ""), ({"gc": True}, "auto"), ({"dump": "auto"}, "")]
)
def test_garbage_collection_names_no_dump(capsys, options, attr):
    text = "p: shutdown will collect garbage of the KVS (this may take some time)\n"
    assert announced(capsys, attr, **options) == ("auto", text)


def test_a_dump_is_named(capsys):
    text = "p: shutdown will dump KVS to d.tgz (this may take some time)\n"
    assert announced(capsys, attr="d.tgz", skip_gc=True) == ("d.tgz", text)
    assert announced(capsys, attr="auto", skip_gc=True) == ("", "")


@pytest.mark.parametrize(
    ("words", "level"),
    [([], 0), (["-v"], 1), (["-vv"], 2), (["--verbose"], 1), (["--verbose=2"], 2), (["--verbose=0"], 0)],
)
def test_how_much_of_the_log_is_shown(words, level):
    assert parser("p").parse_args(words).verbose == level
