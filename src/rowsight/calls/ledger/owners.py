"""Who holds a claim, and whether it is still alive.

An owner is one open ledger in one process. Its row says where it lives and until when its lease runs; the heartbeat
moves the lease. On the same machine a dead process is known at once; elsewhere, and for a process that has stopped
beating, the lease decides.
"""

from __future__ import annotations

import os
import secrets
import socket
from dataclasses import dataclass
from pathlib import Path

LEASE_SECONDS = 60.0
HEARTBEAT_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Owner:
    """One open ledger: a random id, and the process that has it.

    ``boot`` and ``space`` (the process namespace) name the system within which ``pid`` means something; ``born`` is the
    process's start in clock ticks, so that a reused pid is not mistaken. They are empty where the platform has none.
    """

    id: int
    host: str
    pid: int
    boot: str
    space: str
    born: str

    @classmethod
    def here(cls) -> Owner:
        """Return a new owner in this process."""
        pid = os.getpid()
        return cls(secrets.randbits(62), socket.gethostname(), pid, _boot(), _space(), _born(pid) or "")

    def alive(self, expires: float, now: float) -> bool:
        """Whether the owner, whose lease runs until ``expires``, can still settle its claims."""
        if now >= expires:
            return False
        if self.host == socket.gethostname() and self.boot != _boot():
            return False
        if not self.boot or self.boot != _boot() or self.space != _space():
            return True
        return _born(self.pid) == self.born


def _boot() -> str:
    return _read("/proc/sys/kernel/random/boot_id")


def _space() -> str:
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _born(pid: int) -> str | None:
    """Return a process's start time in clock ticks since boot; ``None`` when it is gone or a zombie."""
    fields = _read(f"/proc/{pid}/stat").rpartition(")")[2].split()
    if not fields or fields[0] in "ZX":
        return None
    return fields[19]


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return ""
