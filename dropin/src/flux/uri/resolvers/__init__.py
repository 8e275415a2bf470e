# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.uri.resolvers: a module for each scheme, with its ``URIResolver``."""
