# SPDX-License-Identifier: LGPL-3.0-or-later
"""What defines resources, as R."""

from rosin.resource.definition import from_entries


def test_configured_entries_add_up():
    rset = from_entries(
        [
            {"hosts": "n[0-1]", "cores": "0-3"},
            {"hosts": "n1,m0", "gpus": "0-1", "properties": ["gpu", "+q"]},
        ]
    )
    assert rset.dumps() == "rank0/core[0-3] rank1/core[0-3],gpu[0-1] rank2/gpu[0-1]"
    assert rset.get_properties() == {"gpu": "1-2", "+q": "1-2"}
    assert rset.nodelist().encode() == "n[0-1],m0"
