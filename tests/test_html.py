# SPDX-License-Identifier: LGPL-3.0-or-later
"""Tables for notebooks."""

from rosin._html import escaped, table
from rosin.job import JobInfo


def test_what_users_have_written_is_text():
    assert escaped("<b a=\"1\" b='2'>&</b>") == "&lt;b a=&quot;1&quot; b=&#x27;2&#x27;&gt;&amp;&lt;/b&gt;"
    text = table(["<i>"], [["<script>"], [None], ["x" * 500]], "<caption>")
    assert "<script>" not in text
    assert "<i>" not in text
    assert "<caption>&lt;caption&gt;</caption>" in text
    assert f"<td></td></tr><tr><td>{'x' * 119}…</td>" in text
    assert table(["a"], []) == "<table><thead><tr><th>a</th></tr></thead><tbody></tbody></table>"


def test_a_job():
    text = JobInfo({"id": 7, "name": "<script>", "state": 16, "userid": 0})._repr_html_()
    assert "<td>&lt;script&gt;</td><td>RUN</td>" in text
