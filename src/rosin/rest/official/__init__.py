# SPDX-License-Identifier: LGPL-3.0-or-later
"""``/api/v1``: the contract of flux-rest-server, for its clients."""
