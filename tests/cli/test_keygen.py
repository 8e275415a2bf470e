# SPDX-License-Identifier: LGPL-3.0-or-later
"""``rosin keygen``: a certificate, what is written into it, and what cannot be."""

import os
import re
import stat

import pytest

from rosin.broker.overlay.cert import BrokerCertificate


def read(path):
    return BrokerCertificate.read(str(path))


def test_a_certificate(command, tmp_path):
    path = tmp_path / "cert"
    assert command("keygen", str(path)) == (0, "", "")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    cert = read(path)
    assert list(cert.metadata) == [
        "name",
        "keygen.hostname",
        "keygen.time",
        "keygen.userid",
        "keygen.flux-core-version",
        "keygen.zmq-version",
    ]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", cert.metadata["keygen.time"])
    assert cert.metadata["keygen.userid"] == str(os.getuid())
    assert command("keygen", str(path)).code == 0
    assert read(path).public != cert.public


def test_metadata(command, tmp_path):
    path = tmp_path / "cert"
    words = ("--name", "corona", "--meta=a=1,b,name=x", "--meta", "a=2,keygen.userid=7")
    assert command("keygen", *words, str(path)) == (0, "", "")
    metadata = read(path).metadata
    assert [metadata[key] for key in ("name", "a", "b", "keygen.userid")] == ["corona", "1", "", "7"]
    assert command("keygen", "--meta=name=y", str(path)).code == 0
    assert read(path).metadata["name"] == "y"


def test_the_name_of_a_host_that_is_none(command, tmp_path, monkeypatch):
    names = os.uname()
    monkeypatch.setattr(os, "uname", lambda: os.uname_result((names[0], "my_host", *names[2:])))
    assert command("keygen", str(tmp_path / "cert")).code == 0
    assert read(tmp_path / "cert").metadata["name"] == "my-host"


def test_without_a_path(command):
    text = "rosin-keygen: WARNING: add PATH argument to save generated certificate\n"
    assert command("keygen") == (0, "", text)


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("--meta=a_b=1", "argument --meta: metadata: key 'a_b' is not made of letters, digits, '.' and '-'"),
        ("--meta=", "argument --meta: metadata: key '' is not made of letters, digits, '.' and '-'"),
        ("--name=a_b", "argument -n/--name: metadata: value of name is not at most 200 letters, digits,"),
        ('--meta=a="', "argument --meta: metadata: value of a is not at most 200 letters, digits,"),
        ("--bad", "unrecognized option '--bad'"),
    ],
)
def test_what_a_certificate_cannot_have(command, tmp_path, word, text):
    code, out, err = command("keygen", word, str(tmp_path / "cert"))
    assert (code, out) == (2, "")
    assert text in err
    assert not (tmp_path / "cert").exists()


def test_where_no_file_can_be(command, tmp_path):
    path = tmp_path / "no" / "cert"
    assert command("keygen", str(path)) == (1, "", f"rosin-keygen: {path}: No such file or directory\n")
