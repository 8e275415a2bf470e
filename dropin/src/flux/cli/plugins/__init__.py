# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.cli.plugins: plugins that every submission command has."""
