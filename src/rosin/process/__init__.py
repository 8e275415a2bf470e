# SPDX-License-Identifier: LGPL-3.0-or-later
"""Process I/O without any knowledge of Flux: spawn, zygote, pump."""
