# SPDX-License-Identifier: LGPL-3.0-or-later
"""Broker modules, one package per service."""
