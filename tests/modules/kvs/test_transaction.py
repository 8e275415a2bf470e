# SPDX-License-Identifier: LGPL-3.0-or-later
"""Transactions and lookups on the pure core, against flux-core's root references and a naive model."""

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.constants import FLUX_KVS_APPEND, FLUX_KVS_READDIR, FLUX_KVS_READLINK, FLUX_KVS_TREEOBJ
from rosin.errors import FormatError
from rosin.modules.kvs.append import FANOUT, FROZEN
from rosin.modules.kvs.directory import RUN, Directory
from rosin.modules.kvs.key import MAX_LINKS, normalize
from rosin.modules.kvs.lookup import lookup, tail
from rosin.modules.kvs.objects import Missing, Objects, Reach
from rosin.modules.kvs.transaction import apply
from rosin.rfc import blobref, treeobj


class Store:
    """A root and its objects."""

    def __init__(self, **options):
        self.objects = Objects(**options)
        self.root = self.objects.add_directory(self.objects.empty)

    def apply(self, *ops):
        root = self.objects.directory(self.root)
        self.root = apply(root, ops, self.objects, "primary").ref
        return self.root

    def sweep(self):
        reach = Reach(self.objects.fresh, [treeobj.dirref(self.root)])
        assert not reach.step()
        self.objects.drop_others(reach)

    def put(self, key, data):
        return self.apply(op(key, treeobj.val(data)))

    def append(self, key, data):
        return self.apply(op(key, treeobj.val(data), FLUX_KVS_APPEND))

    def lookup(self, key, flags=0):
        return lookup(self.objects, self.root, key, flags, self.root_of)

    def get(self, key):
        return treeobj.val_data(self.lookup(key))

    def root_of(self, namespace):
        if namespace != "primary":
            raise OSError(errno.ENOTSUP, namespace)
        return self.root


def op(key, dirent, flags=0):
    return {"key": key, "flags": flags, "dirent": dirent}


def val(text):
    return treeobj.val(text.encode())


#: Operations and the root reference that flux-core 0.88 has after them.
GOLDEN = [
    ([], "sha1-c0a9faf907dda6216fd73bf81d0b3b21a1a8cb91"),
    ([op("a", val("1"))], "sha1-4269769cc1ce7a53ad0391196cc5cb2bb15c0bdd"),
    ([op("a.b.c", val("42"))], "sha1-a5a15d406965415cc23b9a3b36fbf3aff4b4b9fb"),
    ([op("d.e", val("x" * 54))], "sha1-66f7bbc5ea9bbd8da7ef28869e85d4259da196b3"),
    ([op("d.f", val("x" * 55))], "sha1-fb2441a8c3756012bb491c08adf98d2c642e3be3"),
    ([op("d.g", val("héllo wörld"))], "sha1-ad796b7c7d658beedcad361bfb0c6e1386abfb15"),
    ([op("d.sub.x", treeobj.dirobj())], "sha1-deb52b560f2ffd7b331b9b792caab7174001e533"),
    ([op("lnk", treeobj.symlink("a"))], "sha1-9465d9916be06441112f854dad9369fde5c45fe1"),
    ([op("lnk.z", val("7"))], "sha1-36aa159e110529e8a2687c386bf13f313506a201"),
    ([op("nlnk", treeobj.symlink("x", "other"))], "sha1-5935e199693cd0dc511a825bb3b492cf7d557096"),
    ([op("d.sub", None)], "sha1-c678dd1f3bd6edf3acbbc9d222b84286ce847ab9"),
    ([op("nothere", None)], "sha1-c678dd1f3bd6edf3acbbc9d222b84286ce847ab9"),
    ([op("q..r.", val("3")), op(".s.", val("4"))], "sha1-333de9f757cacafbfdffd27ae1f10cbf263cb40c"),
    (
        [op(f"w.k{i}", val(str(i))) for i in range(1, 301)],
        "sha1-36de0140a7bfa9977750cb6d714f9dd0638552c6",
    ),
    ([op(f"w.k{i}", None) for i in range(100, 201)], "sha1-2520668e35e606b5d4f809bc7fca82abc8cd62e2"),
]


def test_root_references_are_those_of_flux_core():
    store = Store()
    for ops, expected in GOLDEN:
        assert store.apply(*ops) == expected, ops[:1]


def test_merged_operations_give_the_same_root_and_fewer_objects():
    merged, single = Store(), Store()
    ops = [each for ops, _ in GOLDEN for each in ops]
    for each in ops:
        single.apply(each)
    assert merged.apply(*ops) == single.root
    assert len(merged.objects.fresh) < len(single.objects.fresh) / 10


NAMES = st.sampled_from(["a", "b", "c", "dd", "é", "x1"])
KEYS = st.lists(NAMES, min_size=1, max_size=4).map(".".join)
DATA = st.binary(max_size=120)
OPS = st.one_of(
    st.tuples(st.just("put"), KEYS, DATA),
    st.tuples(st.just("append"), KEYS, DATA),
    st.tuples(st.just("unlink"), KEYS, st.just(b"")),
    st.tuples(st.just("mkdir"), KEYS, st.just(b"")),
)


def model_apply(root, what, key, data):
    """The naive model: dicts are directories, bytes are values. False: refused with EISDIR."""
    *path, name = key.split(".")
    here = root
    for part in path:
        if not isinstance(here.get(part), dict):
            if what == "unlink":
                return True
            here[part] = {}
        here = here[part]
    if what == "append" and isinstance(here.get(name), dict):
        return False
    if what == "unlink":
        here.pop(name, None)
    else:
        here[name] = {"put": data, "append": here.get(name, b""), "mkdir": {}}[what]
        if what == "append":
            here[name] += data
    return True


def contents(store, key="."):
    listing = store.lookup(key, FLUX_KVS_READDIR)["data"]
    found = {}
    for name, entry in listing.items():
        full = name if key == "." else f"{key}.{name}"
        found[name] = contents(store, full) if entry["type"] == "dirref" else store.get(full)
    return found


def to_op(what, key, data):
    if what == "unlink":
        return op(key, None)
    if what == "mkdir":
        return op(key, treeobj.dirobj())
    return op(key, treeobj.val(data), FLUX_KVS_APPEND if what == "append" else 0)


@given(st.lists(st.lists(OPS, max_size=6), max_size=12))
def test_transactions_follow_the_model(transactions):
    store, model = Store(), {}
    for transaction in transactions:
        accepted = [to_op(*each) for each in transaction if model_apply(model, *each)]
        store.apply(*accepted)
    assert contents(store) == model
    before = set(store.objects.fresh)
    store.sweep()
    assert contents(store) == model
    assert set(store.objects.fresh) <= before


@given(
    st.lists(
        st.tuples(
            st.dictionaries(st.text("abcdefgh0123", min_size=1, max_size=6), st.integers(0, 9), max_size=400),
            st.sets(st.text("abcdefgh0123", min_size=1, max_size=6), max_size=50),
        ),
        max_size=6,
    )
)
def test_wide_directories_encode_as_if_made_at_once(steps):
    directory, entries = Directory([]), {}
    for added, removed in steps:
        changes = {name: treeobj.val(str(value).encode()) for name, value in added.items()}
        changes |= dict.fromkeys(removed)
        directory = directory.updated(changes)
        entries |= changes
        entries = {name: obj for name, obj in entries.items() if obj is not None}
        encoded = treeobj.encode(treeobj.dirobj(entries))
        assert directory.encode() == encoded
        assert directory.ref == blobref.blobref(encoded)
        assert directory.entries() == entries
        assert len(directory) == len(entries)
        assert all(len(run.entries) <= 2 * RUN for run in directory.runs)


def test_normalize():
    assert [normalize(key) for key in ("", ".", "..", "a", ".a..b.", "a.b")] == [
        ".",
        ".",
        ".",
        "a",
        "a.b",
        "a.b",
    ]


def test_append_has_few_blobs_and_keeps_every_byte():
    store, expected, objects_seen = Store(), b"", 0
    for index in range(3000):
        line = b"%d:%s\n" % (index, b"x" * (index % 200))
        store.append("log", line)
        expected += line
        entry = store.lookup("log", FLUX_KVS_TREEOBJ)
        if entry["type"] == "valref":
            objects_seen = max(objects_seen, len(entry["data"]))
    assert store.get("log") == expected
    assert FANOUT <= objects_seen <= 4 * FANOUT


def test_append_leaves_large_blobs_alone():
    store = Store()
    store.append("log", b"x" * FROZEN)
    first = store.lookup("log", FLUX_KVS_TREEOBJ)["data"][0]
    for _ in range(50):
        store.append("log", b"y" * 10)
    assert store.lookup("log", FLUX_KVS_TREEOBJ)["data"][0] == first
    assert store.get("log") == b"x" * FROZEN + b"y" * 500


def test_append_does_not_wait_for_blobs_that_are_not_in_memory():
    store = Store()
    refs = [blobref.blobref(b"gone %d" % index) for index in range(20)]
    store.apply(op("log", treeobj.valref(refs)))
    store.append("log", b"new" * 40)
    assert store.lookup("log", FLUX_KVS_TREEOBJ)["data"][:20] == refs


def test_appends_of_one_transaction_become_one_blob():
    store = Store()
    store.apply(*[op("log", treeobj.val(b"z" * 50), FLUX_KVS_APPEND) for _ in range(100)])
    assert len(store.lookup("log", FLUX_KVS_TREEOBJ)["data"]) == 1
    assert store.get("log") == b"z" * 5000


@given(st.lists(st.binary(min_size=1, max_size=90), max_size=40), st.data())
def test_tail_gives_what_follows_an_offset(parts, data):
    store, whole = Store(), b"".join(parts)
    store.apply(op("log", treeobj.val(b"")))
    for part in parts:
        store.append("log", part)
    offset = data.draw(st.integers(0, len(whole)))
    limit = data.draw(st.integers(1, 200))
    entry = store.lookup("log", FLUX_KVS_TREEOBJ)
    got, more = b"", True
    while more:
        piece, more = tail(store.objects, entry, offset + len(got), limit)
        got += piece
    assert got == whole[offset:]
    with pytest.raises(OSError, match="shorter"):
        tail(store.objects, entry, len(whole) + 1, limit)


@pytest.mark.parametrize(
    ("key", "flags", "errnum"),
    [
        ("d", 0, errno.EISDIR),
        (".", 0, errno.EISDIR),
        ("v", FLUX_KVS_READDIR, errno.ENOTDIR),
        ("big", FLUX_KVS_READDIR, errno.ENOTDIR),
        ("v", FLUX_KVS_READLINK, errno.EINVAL),
        ("big", FLUX_KVS_READLINK, errno.EINVAL),
        ("d", FLUX_KVS_READLINK, errno.EINVAL),
        ("loop1", 0, errno.ELOOP),
        ("loop1.x", 0, errno.ELOOP),
        ("foreign.x", 0, errno.ENOTSUP),
    ],
)
def test_lookup_errors(key, flags, errnum):
    store = Store()
    store.apply(
        op("v", val("1")),
        op("big", val("1" * 100)),
        op("d.x", val("2")),
        op("loop1", treeobj.symlink("loop2")),
        op("loop2", treeobj.symlink("loop1")),
        op("foreign", treeobj.symlink("x", "elsewhere")),
    )
    with pytest.raises(OSError) as info:
        store.lookup(key, flags)
    assert info.value.errno == errnum


def test_symbolic_links():
    store = Store()
    store.apply(
        op("d.e.v", val("1")),
        op("link", treeobj.symlink("d.e")),
        op("up.link", treeobj.symlink("link")),
        op("root", treeobj.symlink(".")),
        op("dangling", treeobj.symlink("no.such")),
        op("self", treeobj.symlink("d", "primary")),
    )
    assert store.get("link.v") == store.get("up.link.v") == store.get("root.link.v") == b"1"
    assert store.get("self.e.v") == b"1"
    assert store.lookup("dangling") is None
    assert store.lookup("dangling.x") is None
    assert store.lookup("up.link", FLUX_KVS_READLINK) == treeobj.symlink("link")
    assert store.lookup("up.link", FLUX_KVS_TREEOBJ) == treeobj.symlink("link")
    assert list(store.lookup("up.link", FLUX_KVS_READDIR)["data"]) == ["v"]
    assert store.lookup("d.e.v.deeper") is None


def test_a_chain_of_links_may_be_as_long_as_the_limit():
    store = Store()
    store.put("v0", b"1")
    store.apply(*[op(f"v{i + 1}", treeobj.symlink(f"v{i}")) for i in range(MAX_LINKS + 1)])
    assert store.get(f"v{MAX_LINKS}") == b"1"
    with pytest.raises(OSError) as info:
        store.get(f"v{MAX_LINKS + 1}")
    assert info.value.errno == errno.ELOOP


@pytest.mark.parametrize(
    ("bad", "errnum"),
    [
        (op(".", val("1")), errno.EINVAL),
        (op("", val("1")), errno.EINVAL),
        (op("d", val("1"), FLUX_KVS_APPEND), errno.EISDIR),
        (op("link", val("1"), FLUX_KVS_APPEND), errno.EOPNOTSUPP),
        (op("v", treeobj.dirobj(), FLUX_KVS_APPEND), errno.EPROTO),
        (op("foreign.x", val("1")), errno.EINVAL),
        (op("loop.x", val("1")), errno.ELOOP),
        (op("v", {"ver": 1, "type": "nonsense", "data": 1}), errno.EINVAL),
        (op("v", {"ver": 1, "type": "val", "data": "%%"}), errno.EINVAL),
    ],
)
def test_refused_operations(bad, errnum):
    store = Store()
    before = store.apply(
        op("d.x", val("2")),
        op("link", treeobj.symlink("d")),
        op("loop", treeobj.symlink("loop")),
        op("foreign", treeobj.symlink("x", "elsewhere")),
    )
    with pytest.raises(OSError) as info:
        store.apply(op("ok", val("1")), bad)
    assert info.value.errno == errnum
    assert store.root == before
    assert store.lookup("ok") is None


@pytest.mark.parametrize("bad", [{}, {"key": "a", "flags": 0}, {"key": 1, "flags": 0, "dirent": None}, 7])
def test_malformed_operations(bad):
    with pytest.raises(FormatError):
        Store().apply(bad)


def test_missing_blobs_are_named_and_can_be_supplied():
    source = Store()
    source.apply(op("a.b.c", val("x" * 100)))
    blobs = {ref: source.objects.blob(ref) for ref in source.objects.fresh}
    store = Store()
    store.root = source.root
    asked = []
    while True:
        try:
            assert store.get("a.b.c") == b"x" * 100
            break
        except Missing as missing:
            asked += missing.refs
            for ref in missing.refs:
                store.objects.loaded(ref, blobs[ref], missing.directory)
    assert len(asked) == len(set(asked)) == 4
    with pytest.raises(OSError, match="State not recoverable: sha1-"):
        store.objects.loaded(blobref.blobref(b"[]"), b"[]", True)


def test_a_directory_that_others_wrote_keeps_its_reference():
    """Whatever its text is: nobody has stored the one that would be written here."""
    store = Store()
    text = b'{ "ver": 1, "type": "dir", "data": {"z": {"ver": 1, "type": "val", "data": "eg=="}} }'
    store.put("above.x", b"1")
    store.apply(op("above.below", treeobj.dirref(blobref.blobref(text))))
    store.objects.loaded(blobref.blobref(text), text, True)
    store.apply(op("above.below.nothing", None), op("above.y", val("2")))
    assert store.lookup("above.below", FLUX_KVS_TREEOBJ) == treeobj.dirref(blobref.blobref(text))


def test_a_subtree_of_another_root_can_be_linked_in():
    store = Store()
    guest = apply(store.objects.empty, [op("output", val("o" * 100))], store.objects, "job-1")
    store.apply(op("job.1.guest", treeobj.dirref(guest.ref)))
    store.sweep()
    assert store.get("job.1.guest.output") == b"o" * 100
    reachable = store.objects.reachable([treeobj.dirref(store.root)])
    assert set(reachable) == set(store.objects.fresh)


def test_caches_are_bounded():
    store = Store(value_cache=10_000, directory_cache=100_000)
    for index in range(500):
        store.put(f"k{index}", b"%03d" % index * 100)
        store.objects.settle(list(store.objects.fresh))
    assert store.objects.stats()["bytes"] <= 110_000
    assert store.objects.fresh_bytes == 0
    with pytest.raises(Missing):
        store.get("k0")
