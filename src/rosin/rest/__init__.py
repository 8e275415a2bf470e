# SPDX-License-Identifier: LGPL-3.0-or-later
"""The REST API and web page: a FastAPI application that reaches an instance through a handle only."""
