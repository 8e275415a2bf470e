# SPDX-License-Identifier: LGPL-3.0-or-later
"""JobInfo, compared with what flux-core's makes of the same jobs."""

import json
import time
from pathlib import Path

import pytest

from rosin.job import JobID, JobInfo, job_fields_to_attrs, resulttostr, statetostr, statustostr
from rosin.job.fields import ATTRS, HEADINGS, heading
from rosin.job.info_values import DependencyList
from rosin.job.uri import JobURI

CASES = [json.loads(text) for text in (Path(__file__).parent / "dicts.jsonl").read_text().splitlines()]
CHANGING = ("t_remaining", "runtime", "username")


def stable(obj, reference):
    return {key: value for key, value in obj.items() if key not in CHANGING or key in reference}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["filtered"]["status"])
def test_to_dict_is_flux_cores(case):
    info = JobInfo(case["job"])
    full = info.to_dict(filtered=False)
    assert stable(full, case["full"]) == case["full"]
    filtered = JobInfo(case["job"]).to_dict()
    assert stable(filtered, case["filtered"]) == case["filtered"]
    assert json.loads(json.dumps(full))["id"] == case["job"]["id"]


def test_attributes_with_and_without_underscore():
    info = JobInfo(CASES[-1]["job"])
    assert (info.nnodes, info._nnodes, info._waitstatus, info.waitstatus) == (2, 2, 768, 768)
    assert (info.state, info.state_id, info.result, info.result_id) == ("INACTIVE", 64, "FAILED", 2)
    assert (info.returncode, info.status_abbrev, info.inactive_reason) == (3, "F", "Exit 3")
    assert info._exception.__dict__ == {"occurred": False, "severity": "", "type": "", "note": ""}
    assert info._annotations.__dict__["annotationsDict"] == CASES[-1]["job"]["annotations"]
    assert info.sched.resource_summary == "rank[0-1]/core0"
    assert f"{info.user.nothing.at_all:>5}|{info.annotations.a.b:d}" == "     |"
    assert isinstance(info.id, JobID)
    assert info.runtime == pytest.approx(case_runtime(CASES[-1]["job"]))
    with pytest.raises(AttributeError, match="invalid JobInfo attribute 'nope'"):
        _ = info.nope


def case_runtime(job):
    return job["t_cleanup"] - job["t_run"]


def make(**job):
    return JobInfo({"id": 1, "state": 64, "result": 2, "userid": 0, **job})


@pytest.mark.parametrize(
    ("job", "reason", "code"),
    [
        ({"waitstatus": 9}, "Exit -9", -9),
        ({"waitstatus": 139 << 8}, "Segmentation fault", 139),
        ({"waitstatus": 126 << 8}, "Command invoked cannot execute", 126),
        ({"waitstatus": 127 << 8}, "command not found", 127),
        ({"waitstatus": 250 << 8}, "Signaled 122", 250),
        ({"result": 1, "waitstatus": 0}, "Exit 0", 0),
        ({"result": 4}, "Canceled", -128),
        (
            {
                "result": 4,
                "exception_occurred": True,
                "exception_type": "cancel",
                "exception_severity": 0,
                "exception_note": "x",
            },
            "Canceled: x",
            -128,
        ),
        ({"result": 8, "waitstatus": 142 << 8}, "Timeout", 142),
        (
            {
                "exception_occurred": True,
                "exception_type": "alloc",
                "exception_severity": 0,
                "exception_note": "none",
            },
            "Exception: type=alloc note=none",
            1,
        ),
    ],
)
def test_why_a_job_ended(job, reason, code):
    assert make(**job).inactive_reason == reason
    assert make(**job).returncode == code


def test_what_a_pending_job_waits_for():
    assert make(state=4).contextual_info == "priority-wait"
    assert make(state=2, dependencies=["a", "b"]).contextual_info == "depends:a,b"
    assert make(state=8, urgency=0, priority=0).contextual_info == "held"
    assert make(state=8, urgency=16, priority=0).contextual_info == "priority-hold"
    assert make(state=8, urgency=16, priority=16).contextual_info == ""
    later = {"annotations": {"sched": {"t_estimate": time.time() + 7200.5}}}
    assert make(state=8, urgency=16, priority=16, **later).contextual_info == "eta:2h"
    past = {"annotations": {"sched": {"t_estimate": 1.0}}}
    assert make(state=8, **past).contextual_info == "eta:now"
    assert make(state=8, duration=5.0).contextual_time == 5.0


@pytest.mark.parametrize("uri", ["x", 3, {"a": 1}, ["local:///x"], "http://h/x", None, ""])
def test_a_memo_that_is_no_uri_is_none(uri):
    info = make(state=16, t_run=1.0, annotations={"user": {"uri": uri}})
    assert info.uri is None
    assert "uri" not in info.to_dict()
    assert info.to_dict()["annotations"] == {"user": {"uri": uri}}


def test_uri_moves_out_of_the_annotations():
    info = make(state=16, t_run=1.0, annotations={"user": {"uri": "ssh://h/x", "z": 1}})
    shown = info.to_dict()
    assert (shown["uri"], shown["annotations"]) == ("ssh://h/x", {"user": {"z": 1}})
    assert info.annotations.annotationsDict == {"user": {"uri": "ssh://h/x", "z": 1}}
    assert (info.uri.local, info.uri.remote) == ("local:///x", "ssh://h/x")
    assert JobURI("local:///a/b", "host").remote == "ssh://host/a/b"
    assert make(state=16).get_instance_info().instance.progress == ""


def test_begin_times_are_shown_as_times():
    today = time.localtime()
    noon = time.mktime((*today[:3], 12, 5, 0, 0, 0, -1))
    assert str(DependencyList([f"begin-time={noon}", "after=f1"])) == "begin@12:05,after=f1"
    other = time.mktime((2020, 3, 1, 1, 2, 3, 0, 0, -1))
    for odd in ("begin-time=1e300", "begin-time=x", "begin-time="):
        assert DependencyList([odd]) == [odd]
    assert DependencyList([f"begin-time={other}"]) == ["begin@Mar01-01:02:03"]


def test_names():
    assert (statetostr(16), statetostr(16, "s"), resulttostr(""), resulttostr(8, "S")) == (
        "RUN",
        "r",
        "",
        "TO",
    )
    assert (statustostr(64, 1), statustostr(8, "")) == ("COMPLETED", "SCHED")


def test_fields():
    assert set(ATTRS) <= set(HEADINGS)
    assert job_fields_to_attrs(["id.f58", "returncode", "sched.x", "instance.stats.total"]) == {
        "waitstatus",
        "result",
        "annotations",
        "state",
    }
    assert (heading("user.a.b"), heading("annotations.x"), heading("instance.resources.all.zz")) == (
        "USER.A.B",
        "X",
        "ALL.ZZ",
    )
    for unknown in ("nope", "nope.x"):
        with pytest.raises(KeyError):
            heading(unknown)
        with pytest.raises(KeyError):
            job_fields_to_attrs([unknown])
