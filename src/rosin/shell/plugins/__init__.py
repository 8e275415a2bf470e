# SPDX-License-Identifier: LGPL-3.0-or-later
"""What a job shell does for its tasks, one concern a file, called at flux-core's points of a shell's life."""
