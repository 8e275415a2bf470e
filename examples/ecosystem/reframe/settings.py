# SPDX-License-Identifier: LGPL-3.0-or-later
"""ReFrame's configuration: one partition, whose scheduler is Flux."""

site_configuration = {
    "systems": [
        {
            "name": "here",
            "hostnames": [".*"],
            "partitions": [
                {
                    "name": "flux",
                    "scheduler": "flux",
                    "launcher": "local",
                    "environs": ["builtin"],
                    "max_jobs": 20,
                }
            ],
        }
    ],
    "environments": [{"name": "builtin", "cc": "cc", "cxx": "c++", "ftn": "f95"}],
}
