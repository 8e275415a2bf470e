# SPDX-License-Identifier: LGPL-3.0-or-later
"""Stand-ins for the services that the resource module asks."""

import errno

import pytest

from rosin.broker.module import BrokerModule, request_handler
from rosin.rfc import treeobj


@pytest.fixture
def kvs():
    """A KVS module class; its ``data`` (key -> bytes) outlives instances, ``fail`` makes commits fail."""

    class Kvs(BrokerModule):
        name = "kvs"
        data: dict = {}  # noqa: RUF012
        commits: list = []  # noqa: RUF012
        fail = None

        @request_handler("lookup")
        def lookup(self, msg):
            try:
                return {"val": treeobj.val(self.data[msg.args["key"]])}
            except KeyError:
                raise OSError(errno.ENOENT, "No such file or directory") from None

        @request_handler("commit")
        def commit(self, msg):
            if type(self).fail:
                raise OSError(*type(self).fail)
            ops = msg.args["ops"]
            self.commits.append([op["key"] for op in ops])
            for op in ops:
                value = treeobj.val_data(op["dirent"])
                self.data[op["key"]] = (self.data.get(op["key"], b"") if op["flags"] else b"") + value
            return {"rootref": "sha1-0", "rootseq": len(self.commits)}

    return Kvs


@pytest.fixture
def groups():
    """A groups module class: ``set(name, members)`` changes a group."""

    class Groups(BrokerModule):
        name = "groups"

        async def start(self):
            self.members = {"broker.online": "", "broker.torpid": ""}
            self.watchers = {name: [] for name in self.members}

        def set(self, name, members):
            self.members[name] = members
            for msg in self.watchers[name]:
                self.respond(msg, {"members": members})

        @request_handler("get")
        def get(self, msg):
            from rosin.broker.module import DEFERRED

            name = msg.args["name"]
            self.watchers[name].append(msg)
            self.respond(msg, {"members": self.members[name]})
            return DEFERRED

    return Groups
