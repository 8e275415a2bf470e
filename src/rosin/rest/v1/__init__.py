# SPDX-License-Identifier: LGPL-3.0-or-later
"""``/v1``: the API of flux-restful-api, frozen, so that its clients go on working."""
