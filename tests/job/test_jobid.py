# SPDX-License-Identifier: LGPL-3.0-or-later
"""JobID: an int that knows its spellings."""

import copy
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rosin.job import JobID, id_encode, id_parse

FORMS = ("dec", "hex", "dothex", "kvs", "f58", "f58plain", "words", "emoji")


@given(st.integers(0, 2**63 - 1))
def test_every_spelling_leads_back(number):
    jobid = JobID(number)
    assert jobid == number
    for form in FORMS:
        text = getattr(jobid, form)
        assert text == jobid.encode(form) == id_encode(number, form)
        assert JobID(text) == number == id_parse(text)


def test_it_is_an_int():
    jobid = JobID("0x10")
    assert jobid + 1 == 17
    assert jobid.as_integer_ratio() == (16, 1)
    assert {16: "x"}[jobid] == "x"
    assert (str(jobid), f"{jobid:>6}|{jobid:d}|{jobid:x}|{jobid:>4s}", repr(jobid)) == (
        "ƒH",
        "    16|16|10|  ƒH",
        "JobID(16)",
    )
    assert (jobid.orig, JobID(jobid).orig, JobID(16).orig) == ("0x10", "0x10", "16")
    for other in (pickle.loads(pickle.dumps(jobid)), copy.deepcopy(jobid)):
        assert (other, other.orig) == (jobid, "0x10")


@pytest.mark.parametrize("text", ["", "nope", "ƒ", "-1", "0x", "1.2.3"])
def test_bad_text(text):
    with pytest.raises(ValueError, match="is not a valid Flux jobid"):
        JobID(text)
