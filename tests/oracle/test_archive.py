# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 37 both ways: archives of flux-core extracted by us, archives of ours extracted by flux-core."""

import json
import os
import subprocess

import pytest

from rosin.archive import create, extract
from rosin.rfc import archive, blobref

pytestmark = pytest.mark.system


@pytest.fixture
def tree(tmp_path):
    top = tmp_path / "tree"
    (top / "sub").mkdir(parents=True)
    (top / "text").write_text("héllo\n")
    (top / "binary").write_bytes(bytes(range(256)))
    (top / "large").write_bytes(bytes(range(256)) * 9000)
    (top / "empty").touch()
    with open(top / "sparse", "wb") as stream:
        stream.seek(1 << 20)
        stream.write(b"x" * 5000)
        stream.truncate(3 << 20)
    (top / "sub" / "link").symlink_to("/etc/passwd")
    (top / "sub").chmod(0o750)
    (top / "text").chmod(0o604)
    return top


def snapshot(top):
    found = {}
    for parent, names, files in os.walk(top):
        for name in names + files:
            path = os.path.join(parent, name)
            info = os.lstat(path)
            if os.path.islink(path):
                content = os.readlink(path)
            else:
                content = open(path, "rb").read() if os.path.isfile(path) else None  # noqa: SIM115
            found[os.path.relpath(path, top)] = (info.st_mode, content)
    return found


def in_instance(flux, script, cwd):
    process = subprocess.run(
        [flux, "start", "sh", "-e", "-c", script],
        env={**{k: v for k, v in os.environ.items() if not k.startswith("FLUX_")}, "flux": flux},
        cwd=cwd,
        capture_output=True,
        timeout=120,
        check=False,
    )
    assert process.returncode == 0, process.stderr.decode()
    return process.stdout


def test_we_extract_an_archive_of_flux_core(flux, tree, tmp_path):
    script = """
        $flux archive create -C tree .
        $flux kvs get --raw archive.main >archive.json
        mkdir blobs
        for ref in $(grep -o 'sha1-[0-9a-f]*' archive.json | sort -u); do
            $flux content load $ref >blobs/$ref
        done
    """
    in_instance(flux, script, tmp_path)
    text = (tmp_path / "archive.json").read_bytes()
    entries = archive.decode_text(text)
    out = tmp_path / "out"
    out.mkdir()
    extract(entries, str(out), lambda ref: (tmp_path / "blobs" / ref).read_bytes())
    assert snapshot(out) == snapshot(tree)
    # The same objects but for the order and the "./" in front.
    theirs = {obj["path"].removeprefix("./"): obj for obj in json.loads(text)}
    ours = {entry.path: entry.encode() for entry in create(str(tree), store=blobref.blobref)}
    assert ours == {path: {**obj, "path": path} for path, obj in theirs.items()}


def test_flux_core_extracts_an_archive_of_ours(flux, tree, tmp_path):
    (tmp_path / "blobs").mkdir()
    (tree / "nul").write_bytes(b"nul\0x")  # flux-core itself makes text of it, which it does not extract

    def store(data):
        ref = blobref.blobref(data)
        (tmp_path / "blobs" / ref).write_bytes(data)
        return ref

    entries = create(str(tree), store=store, chunksize=100_000)
    (tmp_path / "archive.json").write_text(json.dumps(archive.encode(entries)))
    script = """
        for blob in blobs/*; do test $($flux content store <$blob) = ${blob#blobs/}; done
        $flux kvs put "archive.ours=$(cat archive.json)"
        mkdir out
        $flux archive extract -n ours -C out
    """
    in_instance(flux, script, tmp_path)
    assert snapshot(tmp_path / "out") == snapshot(tree)
