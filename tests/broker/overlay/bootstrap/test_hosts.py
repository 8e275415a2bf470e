# SPDX-License-Identifier: LGPL-3.0-or-later
"""The table [bootstrap]: who the brokers are, and each way in which it can be wrong."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.broker.overlay.bootstrap.hosts import BootstrapSettings, BrokerHost, fill
from rosin.errors import FormatError

CERT = {"curve_cert": "/etc/flux/system/curve.cert"}


def parse(**table):
    return BootstrapSettings.parse({"bootstrap": table})


def test_no_table_and_one_without_hosts():
    for settings in (BootstrapSettings.parse({}), parse(), parse(hosts=[])):
        assert settings.brokers == []
        assert settings.rank("anything") == 0
        assert settings.parents() == [None]


def test_templates_and_defaults():
    settings = parse(
        **CERT,
        default_port=8050,
        default_bind="tcp://eth0:%p",
        default_connect="tcp://%h:%p",
        enable_ipv6=True,
        hosts=[{"host": "root", "bind": "tcp://eth1:9000"}, {"host": "n[1-2]", "connect": "tcp://%h-ib:%p"}],
    )
    assert settings.brokers == [
        BrokerHost("root", "tcp://eth1:9000", "tcp://root:8050"),
        BrokerHost("n1", "tcp://eth0:8050", "tcp://n1-ib:8050"),
        BrokerHost("n2", "tcp://eth0:8050", "tcp://n2-ib:8050"),
    ]
    assert settings.curve_cert == CERT["curve_cert"]
    assert settings.enable_ipv6
    assert [settings.rank(name) for name in ("root", "n1", "n2")] == [0, 1, 2]
    assert settings.hostlist() == "root,n[1-2]"


def test_a_host_that_comes_again_gets_the_keys_it_has_not():
    hosts = [
        {"host": "a"},
        {"host": "n[0-1]", "parent": "a"},
        {"host": "a,n1", "bind": "ipc:///x", "connect": "ipc:///x", "parent": "n0"},
    ]
    with pytest.raises(FormatError, match="a is the first of the list"):
        parse(**CERT, hosts=hosts)
    hosts[2]["host"] = "n1"
    settings = parse(**CERT, hosts=hosts)
    assert settings.brokers == [
        BrokerHost("a"),
        BrokerHost("n0", None, None, "a"),
        BrokerHost("n1", "ipc:///x", "ipc:///x", "a"),
    ]


def test_a_tree_of_ones_own():
    hosts = [{"host": "a"}, {"host": "n[0-3]", "parent": "m1"}, {"host": "m[0-1]"}]
    assert parse(**CERT, hosts=hosts).parents() == [None, 6, 6, 6, 6, 0, 0]
    hosts += [{"host": "x", "parent": "n0"}]
    assert parse(**CERT, hosts=hosts).parents()[-1] == 1


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("tcp://%h:%p", "tcp://n1:8050"),
        ("%%h%h%%p", "%hn1%p"),
        ("%x%", "%x%"),
        ("ipc:///run/%h-%h", "ipc:///run/n1-n1"),
    ],
)
def test_what_percent_stands_for(text, filled):
    assert fill("key", text, "n1", 8050) == filled


@pytest.mark.parametrize(
    ("table", "error"),
    [
        (5, "bootstrap: expected a table, got 5"),
        ({"host": []}, "bootstrap.host: unknown key; did you mean hosts?"),
        ({"hosts": {}}, "bootstrap.hosts: expected an array, got an object"),
        ({"default_port": -1}, "bootstrap.default_port: expected 0 to 65535, got -1"),
        ({"default_port": 65536}, "bootstrap.default_port: expected 0 to 65535"),
        ({"default_port": "8050"}, "bootstrap.default_port: expected an integer, got '8050'"),
        ({"default_bind": 1}, "bootstrap.default_bind: expected a string, got 1"),
        ({"enable_ipv6": 1}, "bootstrap.enable_ipv6: expected true or false, got 1"),
        ({"curve_cert": []}, "bootstrap.curve_cert: expected a string"),
        ({"hosts": ["a"]}, "bootstrap.hosts[0]: expected a table, got 'a'"),
        ({"hosts": [{}]}, "bootstrap.hosts[0].host: missing"),
        ({"hosts": [{"host": 1}]}, "bootstrap.hosts[0].host: expected a string, got 1"),
        ({"hosts": [{"host": "a", "port": 1}]}, "bootstrap.hosts[0].port: unknown key"),
        ({"hosts": [{"host": "a", "x\n": 1}]}, "bootstrap.hosts[0].'x\\n': unknown key"),
        ({"hosts": [{"host": "a["}]}, "bootstrap.hosts[0].host: expected a hostlist: "),
        ({"hosts": [{"host": "a"}, {"host": "b_c"}]}, "bootstrap.hosts[1].host: 'b_c' is no host name"),
        ({"hosts": [{"host": "-a"}]}, "'-a' is no host name"),
        ({"hosts": [{"host": "a-"}]}, "'a-' is no host name"),
        ({"hosts": [{"host": "a..b"}]}, "'a..b' is no host name"),
        ({"hosts": [{"host": "a" * 64}]}, "is no host name"),
        ({"hosts": [{"host": "ä"}]}, "bootstrap.hosts[0].host: expected a hostlist: "),
        ({"hosts": [{"host": "a"}, {"host": "b"}]}, "bootstrap.curve_cert: several hosts need the path"),
        ({"hosts": [{"host": "a,b"}], "curve_cert": ""}, "bootstrap.curve_cert: several hosts need the path"),
        (
            {"hosts": [{"host": "a", "bind": "a:1"}]},
            "bootstrap.hosts[0].bind: expected an address such as tcp",
        ),
        (
            {"hosts": [{"host": "a", "connect": "udp://a:1"}]},
            "bootstrap.hosts[0].connect: expected an address",
        ),
        ({"hosts": [{"host": "a", "bind": "tcp://"}]}, "bootstrap.hosts[0].bind: expected an address"),
        ({"hosts": [{"host": "a", "bind": "ipc://"}]}, "bootstrap.hosts[0].bind: expected an address"),
        ({"hosts": [{"host": "a", "bind": "tcp://a:*"}]}, "leaves the port open"),
        ({"hosts": [{"host": "a", "bind": "tcp://a:\n"}]}, "bootstrap.hosts[0].bind: expected an address"),
        ({"hosts": [{"host": "a", "bind": "ipc://" + "x" * 109}]}, "is longer than 108 bytes"),
        ({"hosts": [{"host": "a", "bind": "tcp://" + "%h" * 2048}]}, "bootstrap.hosts[0].bind: expected an"),
        ({"hosts": [{"host": "a"}], "default_bind": "x"}, "bootstrap.default_bind: expected an address"),
        ({"hosts": [{"host": "a"}], "default_bind": "tcp://a:%p"}, "there is no bootstrap.default_port"),
        (
            {"hosts": [{"host": "a", "bind": "tcp://a:%%%p"}]},
            "bootstrap.hosts[0].bind: 'tcp://a:%%%p' has %p",
        ),
        (
            {**CERT, "hosts": [{"host": "aa,ab"}, {"host": "c", "parent": "ac"}]},
            "bootstrap.hosts[1].parent: 'ac' of c is none of the hosts",
        ),
        (
            {**CERT, "hosts": [{"host": "a", "parent": "b"}, {"host": "b"}]},
            "bootstrap.hosts: a is the first of the list, the root of the tree, and cannot have a parent",
        ),
        (
            {**CERT, "hosts": [{"host": "a"}, {"host": "b", "parent": "b"}]},
            "bootstrap.hosts: b cannot be its own parent",
        ),
        (
            {**CERT, "hosts": [{"host": "a,b"}, {"host": "c", "parent": "d"}, {"host": "d", "parent": "c"}]},
            "bootstrap.hosts: the parents of c, d run in a circle",
        ),
    ],
)
def test_what_is_wrong(table, error):
    with pytest.raises(FormatError) as info:
        BootstrapSettings.parse({"bootstrap": table})
    assert error in str(info.value)
    assert "\n" not in str(info.value)
    assert len(str(info.value)) < 300


def test_addresses_may_have_a_wildcard_host():
    assert parse(hosts=[{"host": "a", "bind": "tcp://*:8050"}]).brokers[0].bind == "tcp://*:8050"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        (
            "node9",
            "bootstrap.hosts: this host, node9, is not in the list, which has node[1-3]; "
            "-Shostname=NAME says which one it is",
        ),
        ("NODE1", "bootstrap.hosts: this host, NODE1, is not in the list"),
    ],
)
def test_a_host_that_is_not_in_the_list(name, error):
    with pytest.raises(FormatError) as info:
        parse(**CERT, hosts=[{"host": "node[1-3]"}]).rank(name)
    assert str(info.value).startswith(error)


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text(max_size=8)
    | st.sampled_from(["a[0-3]", "tcp://%h:%p", "a"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["host", "hosts", "bind", "connect", "parent", "curve_cert"]), inner
        )
    ),
    max_leaves=12,
)


@given(st.dictionaries(st.sampled_from(["hosts", "curve_cert", "default_port", "default_bind"]), JSON))
def test_any_table_is_taken_or_refused(table):
    try:
        settings = BootstrapSettings.parse({"bootstrap": table})
    except FormatError:
        return
    parents = settings.parents()
    assert len(parents) == max(1, len(settings.brokers))
    for rank in range(len(parents)):  # every way leads to the root
        steps = 0
        while (up := parents[rank]) is not None:
            rank, steps = up, steps + 1
            assert steps <= len(parents)
