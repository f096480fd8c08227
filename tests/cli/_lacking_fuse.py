"""A file system in user space that passes everything on to a directory, but for what it lacks.

    _lacking_fuse.py BELOW MOUNTPOINT [lock]

Like any of FUSE's version 2, it has no unnamed files and no renameat2 with flags. Runs until it is unmounted.
"""
import errno
import os
import sys

try:
    import fuse
except ImportError:
    import fusepy as fuse  # as Debian calls it

below, mountpoint, *lacks = sys.argv[1:]


class Passed(fuse.Operations):
    def __call__(self, operation, path, *arguments):
        return super().__call__(operation, below + path, *arguments)

    def getattr(self, path, handle=None):
        status = os.lstat(path)
        names = ("st_atime", "st_ctime", "st_mtime", "st_gid", "st_uid", "st_mode", "st_nlink", "st_size")
        return {name: getattr(status, name) for name in names}

    def readdir(self, path, handle):
        return [".", "..", *os.listdir(path)]

    def open(self, path, flags):
        return os.open(path, flags)

    def create(self, path, mode, info=None):
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, mode)

    def read(self, path, size, offset, handle):
        return os.pread(handle, size, offset)

    def write(self, path, data, offset, handle):
        return os.pwrite(handle, data, offset)

    def truncate(self, path, length, handle=None):
        os.truncate(path, length)

    def release(self, path, handle):
        os.close(handle)

    def mkdir(self, path, mode):
        os.mkdir(path, mode)

    def rename(self, old, new):
        os.rename(old, below + new)

    chmod = staticmethod(os.chmod)
    chown = staticmethod(os.chown)
    unlink = staticmethod(os.unlink)
    rmdir = staticmethod(os.rmdir)

    if "lock" in lacks:

        def lock(self, path, handle, command, lock):
            raise fuse.FuseOSError(errno.ENOLCK)


fuse.FUSE(Passed(), mountpoint, foreground=True, nothreads=True)
