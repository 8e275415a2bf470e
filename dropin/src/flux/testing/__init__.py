# SPDX-License-Identifier: LGPL-3.0-or-later
"""flux.testing: instances with resources that there are not."""
