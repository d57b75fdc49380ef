"""Devices in a folder of a test's own: what it breaks must never be the machine's."""

import os
import stat


def make_null(path):
    """Makes a device that swallows everything: a copy of it, or a link where only root may make one."""
    try:
        os.mknod(path, 0o666 | stat.S_IFCHR, os.makedev(1, 3))
    except PermissionError:
        path.symlink_to(os.devnull)  # Who may not make a device may not replace the machine's either.


def is_device(path):
    """Whether the path leads to a device."""
    return stat.S_ISCHR(os.stat(path).st_mode)
