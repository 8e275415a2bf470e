# SPDX-License-Identifier: LGPL-3.0-or-later
"""Rosin's own API, ``/rosin/v1``: all of an instance, for the page and for programs."""
