# SPDX-License-Identifier: LGPL-3.0-or-later
"""The KVS client API."""
