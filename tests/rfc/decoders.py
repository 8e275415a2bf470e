# SPDX-License-Identifier: LGPL-3.0-or-later
"""Every public decoder of rosin.rfc, with samples that it takes: JSON values, texts, bytes."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rosin.rfc import (
    alloc_protocol,
    archive,
    blobref,
    constraint,
    count,
    dependency,
    directives,
    eventlog,
    exec_eventlog,
    exec_protocol,
    fluid,
    fluxion,
    frames,
    fsd,
    ioencode,
    jgf,
    kvenc,
    message,
    munge,
    payload,
    pmi,
    resource_events,
    scheduling,
    shape,
    sigcert,
    sign,
    states,
    taskmap,
    treedict,
    treeobj,
    urgency,
)
from rosin.rfc.acquire import Acquired, Change
from rosin.rfc.alloc_protocol import AllocJob, AllocResponse, Free
from rosin.rfc.constraint import query as constraint_query
from rosin.rfc.exec_protocol import StartRequest, StartResponse
from rosin.rfc.hostlist import Hostlist
from rosin.rfc.idset import Idset
from rosin.rfc.idset import text as idset_text
from rosin.rfc.jobspec import Jobspec
from rosin.rfc.jobspec import attributes as jobspec_attributes
from rosin.rfc.jobspec import lower as jobspec_lower
from rosin.rfc.jobspec import rules as jobspec_rules
from rosin.rfc.pmi import spawn as pmi_spawn
from rosin.rfc.pmi import version2
from rosin.rfc.pmi.client import PmiClient
from rosin.rfc.pmi.server import Abort, Server
from rosin.rfc.pmi.version2 import Frames, Translator
from rosin.rfc.queues import QueueConfig
from rosin.rfc.queues.policy import QueuePolicy
from rosin.rfc.rset import ResourceSet
from rosin.rfc.rset import format as rset_format
from rosin.rfc.taskmap import TaskMap
from rosin.rfc.treepool import Topology
from rosin.rfc.treepool.place import Request

#: One or more samples of each format, as JSON.
SAMPLES = json.loads((Path(__file__).parent / "data" / "samples.json").read_text(encoding="utf-8"))
JOBSPEC = SAMPLES["jobspec"]
COUNTED = SAMPLES["counted"]
GRAPH = SAMPLES["graph"]
TREEPOOL = SAMPLES["treepool"]
R = SAMPLES["r"]
ARCHIVE = SAMPLES["archive"]
TREE = SAMPLES["tree"]
LOG = SAMPLES["log"]
JOB_LOG = SAMPLES["job_log"]
EXEC_LOG = SAMPLES["exec_log"]
QUEUES = SAMPLES["queues"]
FLUXION = {"writer": "fluxion:jgf", "graph": GRAPH}
REF = "sha1-da39a3ee5e6b4b0d3255bfef95601890afd80709"


def replayed(replay: Callable[[list[dict[str, Any]]], Any]) -> Callable[[Any], Any]:
    """A reader of whole logs, which takes what the decoder of logs lets through."""
    return lambda obj: replay(
        [eventlog.validate_entry(entry) for entry in payload.field({"log": obj}, "log", list)]
    )


#: Decoder of JSON values: samples.
JSON: dict[str, tuple[Callable[[Any], Any], list[Any]]] = {
    "acquire.Acquired": (Acquired, [{"resources": R, "up": "0"}]),
    "acquire.Change.decode": (
        Change.decode,
        [
            {
                "up": "1",
                "down": "2",
                "shrink": "3",
                "property-add": {"x": "0"},
                "property-remove": {"y": "1"},
                "expiration": 2.5,
            }
        ],
    ),
    "alloc_protocol.AllocResponse.decode": (
        AllocResponse.decode,
        [{"id": 1, "type": 0, "annotations": {"a": {"b": 1}}, "R": R}, {"id": 1, "type": 2, "note": "x"}],
    ),
    "alloc_protocol.Free.decode": (Free.decode, [{"id": 1, "R": R, "final": True}]),
    "alloc_protocol.AllocJob.decode_alloc": (
        AllocJob.decode_alloc,
        [{"id": 1, "priority": 2, "userid": 3, "t_submit": 1.5, "jobspec": JOBSPEC}],
    ),
    "alloc_protocol.AllocJob.decode_hello": (
        AllocJob.decode_hello,
        [{"id": 1, "priority": 2, "userid": 3, "t_submit": 1.5, "free": "0-1"}],
    ),
    "alloc_protocol.canceled": (alloc_protocol.canceled, [{"id": 1}]),
    "alloc_protocol.expiration": (alloc_protocol.expiration, [{"id": 1, "expiration": 2.5}]),
    "alloc_protocol.feasibility": (alloc_protocol.feasibility, [{"jobspec": JOBSPEC}]),
    "alloc_protocol.partial_ok": (alloc_protocol.partial_ok, [{"partial-ok": True}]),
    "alloc_protocol.priorities": (alloc_protocol.priorities, [{"jobs": [[1, 2], [3, 4]]}]),
    "alloc_protocol.queue_depth": (alloc_protocol.queue_depth, [{"count": 1}]),
    "alloc_protocol.ready_limit": (alloc_protocol.ready_limit, [{"mode": "limited", "limit": 4}]),
    "archive.decode": (archive.decode, [ARCHIVE]),
    "constraint.compile": (constraint.compile, [JOBSPEC["attributes"]["system"]["constraints"]]),
    "constraint.validate": (constraint.validate, [{"or": [{"not": [{"hostlist": ["a"]}]}, {}]}]),
    "count.parse": (count.parse, [{"min": 2, "max": 8, "operator": "^", "operand": 2}, "1-4", 3]),
    "dependency.check_keys": (
        dependency.check_keys,
        [{"scheme": "string", "value": "x", "type": "in", "scope": "user"}],
    ),
    "eventlog.validate_entry": (eventlog.validate_entry, [LOG[0]]),
    "exec_eventlog.validate": (replayed(exec_eventlog.validate), [EXEC_LOG]),
    "exec_protocol.StartRequest.decode": (
        StartRequest.decode,
        [{"id": 1, "userid": 2, "jobspec": {}, "R": {}, "reattach": False}],
    ),
    "exec_protocol.StartResponse.decode": (
        StartResponse.decode,
        [
            {"id": 1, "type": "release", "data": {"ranks": "0-1", "final": True}},
            {"id": 1, "type": "exception", "data": {"severity": 0, "type": "x", "note": ""}},
            {"id": 1, "type": "finish", "data": {"status": 0}},
        ],
    ),
    "exec_protocol.service_name": (exec_protocol.service_name, [{"service": "job-exec"}]),
    "fluxion.decode": (fluxion.decode, [FLUXION]),
    "fluxion.to_resource_set": (lambda obj: fluxion.to_resource_set(fluxion.decode(obj)), [FLUXION]),
    "fluxion.writer": (fluxion.writer, [FLUXION]),
    "ioencode.decode_data": (
        ioencode.decode_data,
        [{"stream": "o", "rank": "0", "data": "eA==", "encoding": "base64", "eof": True, "repeat": 2}],
    ),
    "ioencode.decode_header": (ioencode.decode_header, [ioencode.header({"stdout": 1})]),
    "jgf.decode": (jgf.decode, [{"graph": GRAPH}]),
    "jobspec.Jobspec.checked": (Jobspec.checked, [JOBSPEC]),
    "jobspec.attributes.check_attributes": (
        lambda obj: jobspec_attributes.check_attributes(obj, True),
        [JOBSPEC["attributes"]],
    ),
    "jobspec.attributes.check_environment": (jobspec_attributes.check_environment, [{"A": "b", "C": None}]),
    "jobspec.lower.lower": (jobspec_lower.lower, [JOBSPEC]),
    "jobspec.rules.problems": (jobspec_rules.problems, [JOBSPEC, COUNTED]),
    "jobspec.validate": (lambda obj: jobspec_rules.validate(obj, canonical=True), [JOBSPEC, COUNTED]),
    "jobspec.rules.validate_version": (jobspec_rules.validate_version, [JOBSPEC, COUNTED]),
    "payload.field": (lambda obj: payload.field(obj, "a", (str, int), 0), [{"a": 1}]),
    "payload.int_field": (lambda obj: payload.int_field(obj, "a", 0, 5), [{"a": 1}]),
    "payload.list_field": (lambda obj: payload.list_field(obj, "a", str), [{"a": ["x"]}]),
    "queues.QueuePolicy.decode": (QueuePolicy.decode, [QUEUES["policy"]]),
    "queues.QueueConfig": (
        lambda obj: QueueConfig(payload.field({"config": obj}, "config", dict)),
        [QUEUES],
    ),
    "resource_events.validate": (resource_events.validate, LOG),
    "rset.ResourceSet.decode": (ResourceSet.decode, [R]),
    "rset.format.parse": (rset_format.parse, [R]),
    "rset.format.validate": (rset_format.validate, [R]),
    "scheduling.of_allocation": (
        lambda obj: scheduling.of_allocation(obj, ResourceSet.decode(R)),
        [TREEPOOL, FLUXION],
    ),
    "scheduling.of_instance": (lambda obj: scheduling.of_instance(obj, ResourceSet.decode(R)), [TREEPOOL]),
    "states.check_context": (lambda obj: states.check_context("exception", obj), [JOB_LOG[2]["context"]]),
    "states.replay": (replayed(states.replay), [JOB_LOG]),
    "taskmap.TaskMap.decode": (
        TaskMap.decode,
        [{"version": 1, "map": [[0, 2, 2, 1], [2, 1, 1, 3]]}, [[0, 1, 1, 1]]],
    ),
    "taskmap.manual": (lambda obj: taskmap.manual(obj, taskmap.block([1])), [[[0, 1, 1, 1]]]),
    "treedict.with_value": (lambda obj: treedict.with_value(obj, "a.b", 1, strict=True), [{"a": {"b": 2}}]),
    "treeobj.val_data": (treeobj.val_data, [TREE["data"]["v"]]),
    "treeobj.validate": (treeobj.validate, [TREE]),
    "treepool.Topology.decode": (Topology.decode, [TREEPOOL]),
    "treepool.place.Request.decode": (Request.decode, [JOBSPEC["resources"]]),
}


def version2_message(text):
    translator = Translator(Server("kvs", 1, 1))
    translator.request(0, "cmd=init pmi_version=2 pmi_subversion=0")
    try:
        return translator.request(0, text)
    except Abort as error:
        return str(error)


def server_line(line: str) -> None:
    server = Server("kvs", 1, 1)
    try:
        server.request(0, line)
    except Abort:
        return  # what the client asked for


def client_line(line: str) -> None:
    client = PmiClient()
    client.init()
    client.receive(line)


CERTIFICATE = sigcert.Certificate(bytes(32), {"userid": 1, "x": "y", "b": True}, bytes(64))
SECRET = sigcert.Certificate(bytes(32), {}, None, bytes(64))
SPAWN = pmi_spawn.encode(pmi_spawn.Spawn("a", ["x"], 1, [("k", "v")], [("i", "j")], 1, 0))

#: Decoder of text: samples.
TEXT: dict[str, tuple[Callable[[str], Any], list[str]]] = {
    "archive.clean_path": (archive.clean_path, ["a/b"]),
    "archive.decode_text": (archive.decode_text, [json.dumps(ARCHIVE)]),
    "blobref.parse": (blobref.parse, [REF]),
    "constraint.query.parse": (
        lambda text: constraint_query.parse(text, {None: "n"}),
        ["(a|-b) and not c:'d e'"],
    ),
    "constraint.query.parse_resources": (constraint_query.parse_resources, ["gpu and not host:n[0-3]"]),
    "count.parse_string": (count.parse_string, ["2-8:2:*", "1,3-5", "[2+]"]),
    "dependency.begin_time": (lambda text: dependency.begin_time({"value": text}), ["1.5"]),
    "dependency.jobid": (lambda text: dependency.jobid({"scheme": "after", "value": text}), ["f2"]),
    "dependency.parse_uri": (dependency.parse_uri, ["string:foo?type=out&scope=user;x=1"]),
    "directives.parse": (
        directives.parse,
        [
            '# flux: -N4 "a b"\n# flux: --x="""\n# flux:  y\n# flux: """\n',
            "#FLUX: -n1 # c\n\n#FLUX: --a='''x'''\n",
        ],
    ),
    "eventlog.decode": (eventlog.decode, [eventlog.encode_entries(LOG)]),
    "eventlog.decode_entries": (eventlog.decode_entries, [eventlog.encode_entries(LOG)]),
    "eventlog.decode_entry": (eventlog.decode_entry, [eventlog.encode_entry(LOG[0])]),
    "eventlog.decode_line": (eventlog.decode_line, [eventlog.encode_entry(LOG[0])]),
    "eventlog.parse_event": (eventlog.parse_event, [eventlog.encode_entry(LOG[0])]),
    "fluid.parse": (
        fluid.parse,
        [
            fluid.encode(6731191091817518, form)
            for form in ("dec", "hex", "dothex", "kvs", "f58", "words", "emoji")
        ],
    ),
    "fsd.parse": (fsd.parse, ["1.5h", "infinity"]),
    "hostlist.Hostlist.decode": (Hostlist.decode, ["n[00-03,7]-x,a"]),
    "hostlist.Hostlist.from_names": (lambda text: Hostlist.from_names([text]), ["n01"]),
    "idset.Idset.decode": (Idset.decode, ["[0-3,7]"]),
    "idset.text.decode_ends": (idset_text.decode_ends, ["0-3,7"]),
    "idset.decode_ranges": (idset_text.decode_ranges, ["0-3,7"]),
    "jgf.decode (text)": (jgf.decode, [json.dumps({"graph": GRAPH})]),
    "jobspec.Jobspec.decode": (Jobspec.decode, [json.dumps(JOBSPEC)]),
    "munge.decode_request": (munge.decode_request, ["MUNGE:x:"]),
    "pmi.clique": (lambda text: pmi.clique(text, 1), ["(vector,(0,2,2),(2,1,1))"]),
    "pmi.integer": (lambda text: pmi.integer({"a": text}, "a"), ["-1"]),
    "pmi.parse": (pmi.parse, ["cmd=put kvsname=k key=a value=x=y z"]),
    "pmi.word": (lambda text: pmi.word(pmi.parse(text), "cmd"), ["cmd=get"]),
    "pmi.client.PmiClient.from_environ": (
        lambda text: PmiClient.from_environ({"PMI_FD": text, "PMI_RANK": "0", "PMI_SIZE": "1"}),
        ["9"],
    ),
    "pmi.client.PmiClient.receive": (
        client_line,
        ["cmd=response_to_init rc=0 pmi_version=1 pmi_subversion=1"],
    ),
    "pmi.server.Server.request": (
        server_line,
        [
            "cmd=put kvsname=kvs key=a value=x",
            "cmd=init pmi_version=1 pmi_subversion=1",
            "cmd=abort exitcode=1",
        ],
    ),
    "pmi.version2.Frames.feed": (
        lambda text: Frames().feed(text.encode("utf-8", "surrogatepass")),
        ["     1a"],
    ),
    "pmi.version2.parse": (version2.parse, ["cmd=kvs-put;key=a;value=b;;c;"]),
    "pmi.version2.Translator.request": (
        version2_message,
        ["cmd=kvs-put;key=a;value=b;", "cmd=abort;msg=x;", "cmd=info-getjobattr;key=universeSize;"],
    ),
    "pmi.spawn.decode": (lambda text: pmi_spawn.decode(text.splitlines()), [SPAWN]),
    "rset.ResourceSet.decode (text)": (ResourceSet.decode, [json.dumps(R)]),
    "rset.format.check_property": (rset_format.check_property, ["a@gpu"]),
    "shape.parse": (shape.parse, ['[slot=2-4{a,+x,y:{"b":[1]}}/node/[core=2+;m{u:"G B"}];c]']),
    "sigcert.read_public": (sigcert.read_public, [sigcert.write_public(CERTIFICATE)]),
    "sigcert.read_secret": (sigcert.read_secret, [sigcert.write_secret(SECRET)]),
    "sign.parse": (sign.parse, [sign.wrap("x", 1)]),
    "sign.unwrap": (sign.unwrap, [sign.wrap("x", 1)]),
    "states.parse_result": (states.parse_result, ["completed"]),
    "states.parse_state": (states.parse_state, ["run"]),
    "taskmap.TaskMap.decode (text)": (TaskMap.decode, ["0-1;2-3", "[[0,2,2,1]]", "(vector,(0,2,2))"]),
    "taskmap.hostfile": (lambda text: taskmap.hostfile(text, Hostlist("a,b"), 4), ["a,b\nb\n"]),
    "treeobj.decode": (treeobj.decode, [json.dumps(TREE)]),
    "treepool.Topology.decode (text)": (Topology.decode, [json.dumps(TREEPOOL)]),
    "urgency.parse": (urgency.parse, ["hold", "16"]),
}

PAIRS = kvenc.encode({"a": "x", "b": 1, "c": 1.5, "d": True, "t": kvenc.Timestamp(1692370785)})
HEADER = kvenc.encode(sigcert.to_header(CERTIFICATE, 1, 2))
REQUEST = message.encode(message.Message.request("a.b", {"x": 1}))
ASKED, TOLD = (munge.encode_request(b"x"), munge.encode_reply(munge.DEC_RSP, munge.Reply(0, b"x", "")))

#: Decoder of bytes: samples.
BYTES: dict[str, tuple[Callable[[bytes], Any], list[bytes]]] = {
    "archive.decode_text (bytes)": (archive.decode_text, [json.dumps(ARCHIVE).encode()]),
    "blobref.from_digest": (blobref.from_digest, [bytes(20)]),
    "eventlog.decode (bytes)": (eventlog.decode, [eventlog.encode_entries(LOG).encode()]),
    "frames.decode_frames": (
        lambda data: frames.decode_frames(data.split(b"|")),
        [b"|a.b|x|" + REQUEST[-20:]],
    ),
    "jgf.decode (bytes)": (jgf.decode, [json.dumps({"graph": GRAPH}).encode()]),
    "jobspec.Jobspec.decode (bytes)": (Jobspec.decode, [json.dumps(JOBSPEC).encode()]),
    "kvenc.decode": (kvenc.decode, [PAIRS]),
    "message.decode": (message.decode, [REQUEST]),
    "munge.parse_header": (munge.parse_header, [ASKED[:11]]),
    "munge.parse_reply": (lambda body: munge.parse_reply(munge.DEC_RSP, body), [TOLD[11:]]),
    "munge.parse_request": (lambda body: munge.parse_request(munge.ENC_REQ, body), [ASKED[11:]]),
    "rset.ResourceSet.decode (bytes)": (ResourceSet.decode, [json.dumps(R).encode()]),
    "sigcert.from_header": (lambda data: sigcert.from_header(kvenc.decode(data)), [HEADER]),
    "sigcert.from_pairs": (
        lambda data: sigcert.from_pairs(kvenc.decode(data)),
        [kvenc.encode(CERTIFICATE.pairs())],
    ),
    "taskmap.TaskMap.decode (bytes)": (TaskMap.decode, [b"[[0,2,2,1]]"]),
    "treeobj.decode (bytes)": (treeobj.decode, [json.dumps(TREE).encode()]),
    "treepool.Topology.decode (bytes)": (Topology.decode, [json.dumps(TREEPOOL).encode()]),
}

#: Names that look like a decoder's, with the reason that they are none.
OTHERS = {
    **dict.fromkeys(
        ["fluxion.from_resource_set", "role.from_overlay", "blobref.is_valid"],
        "takes checked values, or answers yes or no",
    ),
    **dict.fromkeys(
        [
            "idset.Idset.from_mask",
            "idset.Idset.from_range",
            "idset.wide.WideIdset.from_ends",
            "idset.bits.check_id",
        ],
        "takes integers",
    ),
    **dict.fromkeys(
        ["graph.Graph.check_composite", "taskmap.TaskMap.check", "treepool.Topology.check"],
        "looks at an object that is decoded",
    ),
    **dict.fromkeys(
        ["jobspec.graph.ResourceWalk.check", "jobspec.graph.check_fields", "jobspec.graph.check_label"],
        "a step of jobspec.rules.validate",
    ),
    **dict.fromkeys(["hostlist.text.parse"], "a step of Hostlist.decode"),
    **dict.fromkeys(
        ["archive.rules.check", "archive.rules.check_name", "archive.rules.checked_set"],
        "a step of archive.decode",
    ),
    **dict.fromkeys(["alloc_protocol.ready", "munge.Reply.decode_time"], "makes or is a number"),
    **dict.fromkeys(["protocol.read"], "a step of the decoders of two protocols"),
    **dict.fromkeys(
        ["jobspec.build.from_command", "jobspec.build.from_nest_command", "jobspec.build.from_batch_command"],
        "makes a jobspec of typed arguments",
    ),
}
NAMES = ("decode", "parse", "read", "from_", "validate", "check", "unwrap", "replay", "lower", "is_valid")
