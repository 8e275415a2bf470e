# SPDX-License-Identifier: LGPL-3.0-or-later
"""The service that tells clients when a key of the KVS changes."""
