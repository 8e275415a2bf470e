# SPDX-License-Identifier: LGPL-3.0-or-later
"""What `/rosin/v1` is sent and answers; the names of the classes are those in `/openapi.json`."""
