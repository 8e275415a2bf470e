# SPDX-License-Identifier: LGPL-3.0-or-later
"""The REST API and web page."""
