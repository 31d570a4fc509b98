# SPDX-License-Identifier: GPL-3.0-or-later
"""What Tollbook adds to Tryton; tryton.cfg registers the classes."""
