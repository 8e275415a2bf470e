# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.cli: what plugins of the command line derive from."""
