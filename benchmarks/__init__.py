# SPDX-License-Identifier: LGPL-3.0-or-later
"""Measurements of Rosin, beside a flux-core in the same run where one is given."""
