# SPDX-License-Identifier: LGPL-3.0-or-later
"""The barrier service: programs wait for each other by name."""
