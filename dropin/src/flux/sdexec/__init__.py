# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.sdexec: jobs as units of systemd."""
