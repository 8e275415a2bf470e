# SPDX-License-Identifier: LGPL-3.0-or-later
"""RFC 3, 10, 11 and 18 against flux-core: 10,000 random inputs each.

Messages go through its C library, blobs, tree objects and logs through a running instance.
"""

import json
import os
import subprocess

import pytest

from rosin.errors import FormatError
from rosin.handle import Flux
from rosin.rfc import blobref, eventlog, treeobj
from rosin.rfc.message import Message, decode, encode

from .conftest import Refused, answers, differing

COUNT = 10_000

_RECODE = """
import ctypes, glob, os, flux
root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.dirname(flux.__file__))))
lib = ctypes.CDLL(sorted(glob.glob(os.path.join(root, "libflux-core.so*")))[0])
lib.flux_msg_decode.restype = ctypes.c_void_p
lib.flux_msg_decode.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
lib.flux_msg_encode_size.restype = ctypes.c_ssize_t
lib.flux_msg_encode_size.argtypes = [ctypes.c_void_p]
lib.flux_msg_encode.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
lib.flux_msg_decref.argtypes = [ctypes.c_void_p]
def answer(text):
    data = bytes.fromhex(text)
    msg = lib.flux_msg_decode(data, len(data))
    if not msg:
        raise ValueError("refused")
    size = lib.flux_msg_encode_size(msg)
    buffer = ctypes.create_string_buffer(size)
    lib.flux_msg_encode(msg, buffer, size)
    lib.flux_msg_decref(msg)
    return buffer.raw.hex()
"""


def random_message(rng):
    kind = rng.choice([1, 1, 2, 2, 4, 8])
    topic = (
        "" if kind == 8 else "".join(rng.choices("abcdef.-é", k=rng.choice([1, 9, 60, 253, 254, 255, 300])))
    )
    payload = (
        None if kind == 8 else rng.choice([None, b"", rng.randbytes(rng.choice([3, 254, 255, 256, 70_000]))])
    )
    if payload and len(payload) > 1000 and rng.random() < 0.95:
        payload = payload[:40]
    words = [rng.choice([0, 1, 2, 0xFFFFFFFF, rng.getrandbits(32)]) for _ in range(4)]
    msg = Message(
        kind,
        topic,
        payload,
        flags=rng.choice([0, 0x04, 0x10, 0x20, 0x40, 0x80]),
        userid=words[0],
        rolemask=words[1],
        aux1=words[2],
        matchtag=words[3],
    )
    if kind in (1, 2):
        msg.route = [rng.randbytes(16).hex().encode() for _ in range(rng.randint(0, 4))]
    return msg


def test_messages_are_written_alike(ask, rng):
    texts = [encode(random_message(rng)).hex() for _ in range(COUNT)]
    assert differing(texts, texts, ask(_RECODE, texts)) == []


def test_broken_messages_are_refused_alike(ask, rng):
    texts = []
    while len(texts) < COUNT:
        data = bytearray(encode(random_message(rng)))
        if len(data) > 1000:
            continue
        for _ in range(rng.randint(1, 3)):
            at = rng.randrange(len(data))
            if rng.random() < 0.7:
                data[at] ^= 1 << rng.randrange(8)
            else:
                del data[at : at + rng.randint(1, 3)]
            if not data:
                data = bytearray(1)
        texts.append(bytes(data).hex())

    def recode(text):
        return encode(decode(bytes.fromhex(text))).hex()

    rows = list(zip(texts, answers(recode, texts, FormatError), ask(_RECODE, texts), strict=True))
    accepted_here = [row for row in rows if row[1] != row[2] and isinstance(row[2], Refused)]
    differently = [row for row in rows if row[1] != row[2] and Refused("") not in row[1:]]
    # The library asks less: it leaves topics that are not UTF-8 or missing, and flags that do not fit the
    # type, to the receiver, and it drops unused parts of events and control messages.
    assert accepted_here[:10] == []
    assert [row for row in differently if not leaves_to_receiver(row[0])][:10] == []
    assert sum(isinstance(row[1], Refused) for row in rows) > COUNT // 10


def leaves_to_receiver(text):
    """Whether a message that both take is written differently for the reason above."""
    msg = decode(bytes.fromhex(text))
    return msg.type in (4, 8) or "\0" in msg.topic or msg.flags & 0x80


# -- an instance ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def instance(flux):
    """The URI of an instance of flux-core."""
    process = subprocess.Popen(
        [flux, "start", "sh", "-c", 'echo "$FLUX_URI"; cat >/dev/null'],
        env={key: value for key, value in os.environ.items() if not key.startswith("FLUX_")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    uri = process.stdout.readline().strip()
    yield uri
    process.communicate(timeout=60)


@pytest.mark.system
def test_blobs_have_the_same_references(instance, rng):
    blobs = [rng.randbytes(rng.choice([0, 1, 5, 55, 64, 1000])) for _ in range(COUNT)]
    with Flux(instance) as h:
        assert h.attr_get("content.hash") == "sha1"
        theirs = [rpc.get_raw() for rpc in [h.rpc("content.store", blob or None) for blob in blobs]]
    assert differing(blobs, [blobref.digest(blob) for blob in blobs], theirs) == []


def random_tree(rng, depth=0):
    kind = rng.choice(["val", "valref", "dirref", "symlink", "dir" if depth < 3 else "val"])
    if kind == "val":
        return treeobj.val(rng.randbytes(rng.randint(0, 9)))
    if kind == "valref":
        return treeobj.valref([blobref.blobref(rng.randbytes(4)) for _ in range(rng.randint(1, 3))])
    if kind == "dirref":
        return treeobj.dirref(blobref.blobref(rng.randbytes(4)))
    if kind == "symlink":
        return treeobj.symlink("a.b", rng.choice([None, "ns"]))
    return treeobj.dirobj({f"k{n}": random_tree(rng, depth + 1) for n in range(rng.randint(0, 3))})


def spoiled(rng, obj):
    """The object, at times with one thing wrong in it."""
    obj = json.loads(json.dumps(obj))
    place = obj
    while place["type"] == "dir" and place["data"] and rng.random() < 0.6:
        place = rng.choice(list(place["data"].values()))
    how = rng.randrange(12)
    if how == 0:
        place["ver"] = rng.choice([0, 2, "1", None, 1.5])
    elif how == 1:
        place["type"] = rng.choice(["hdir", "", None, 3, "value"])
    elif how == 2:
        place["data"] = rng.choice([None, 3, [], {}, "", "x", ["x"], [3], {"a": 1}, {"target": 3}])
    elif how == 3:
        del place[rng.choice(["ver", "type", "data"])]
    elif how == 4 and isinstance(place["data"], list):
        place["data"][0] = rng.choice(
            ["sha1-", "sha1-" + "g" * 40, "md5-" + "0" * 32, place["data"][0].upper(), ""]
        )
    return obj


@pytest.mark.system
def test_tree_objects_are_refused_alike(instance, rng):
    objects = [spoiled(rng, random_tree(rng)) for _ in range(COUNT)]

    def ours(obj):
        treeobj.validate(obj)
        return True

    theirs = []
    with Flux(instance) as h:
        for at in range(0, COUNT, 100):
            rpcs = [
                h.rpc(
                    "kvs.commit",
                    {
                        "namespace": "primary",
                        "flags": 1,
                        "ops": [{"key": f"t{number}", "flags": 0, "dirent": obj}],
                    },
                )
                for number, obj in enumerate(objects[at : at + 100])
            ]
            for rpc in rpcs:
                try:
                    rpc.get()
                    theirs.append(True)
                except OSError as error:
                    theirs.append(Refused(error))
    mine = answers(ours, objects, FormatError)
    rows = [row for row in zip(objects, mine, theirs, strict=True) if row[1] != row[2]]
    # flux-core looks at the base64 of a value when somebody reads it.
    assert [row for row in rows if "val: data is not base64" not in getattr(row[1], "text", "")][:10] == []
    assert COUNT // 10 < sum(isinstance(answer, Refused) for answer in mine) < COUNT


@pytest.mark.system
def test_logs_are_read_alike(flux, instance, rng):
    def context():
        return rng.choice(
            [
                None,
                {},
                {"status": rng.getrandbits(40), "note": "".join(rng.choices('ab"\\\n\t é😀', k=6))},
                {"a": [1, None, {"b": rng.random()}], "final": True},
            ]
        )

    entries = [
        eventlog.entry(
            rng.choice(["submit", "é", "a b", ""]), context(), rng.random() * 10 ** rng.randint(0, 10)
        )
        for _ in range(COUNT)
    ]
    with Flux(instance) as h:
        val = treeobj.val(eventlog.encode_entries(entries).encode())
        h.rpc(
            "kvs.commit",
            {"namespace": "primary", "flags": 0, "ops": [{"key": "log", "flags": 0, "dirent": val}]},
        ).get()
    told = subprocess.run(
        [flux, "kvs", "eventlog", "get", "--unformatted", "log"],
        env={**os.environ, "FLUX_URI": instance},
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    ).stdout
    assert differing(entries, entries, eventlog.decode_entries(told)) == []
