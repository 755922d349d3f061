"""The server whose sockets hold little that is unsent: who reads slowly is known for it soon, who is idle ends."""

from __future__ import annotations

import resource
import socket
from typing import Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes
from granian.http import HTTP1Settings
from granian.server.embed import Server

#: Unsent bytes that a socket takes before its sender waits; without it 4 MB, half a minute of a busy stream.
UNSENT = 16_384
_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", 25)  # Linux's number; accepted sockets inherit it


#: Connections at once, where the process may have so many files; granian takes no more, and bears 1,024 of itself.
CONNECTIONS = 16_384
_FILES = 512  # beside connections
_BACKLOG = 1_024
_HEADERS_MS = (
    15_000  # a connection that has sent no whole request for so long is closed; clients let go of theirs sooner
)


class BoundedServer(Server):
    """granian's server in this process's loop, on a socket that bounds what is unsent.

    What is in flight is not bounded, so that a fast reader far away is as fast as without. HTTP/1 alone is spoken: a
    server that waits for a first byte to tell it from HTTP/2 waits without end.
    """

    def __init__(self, target: Any, address: str, port: int, **options: Any) -> None:
        ours: dict[str, Any] = {
            "http": HTTPModes.http1,
            "http1_settings": HTTP1Settings(header_read_timeout=_HEADERS_MS),
            "backlog": _BACKLOG,
            "backpressure": connections(),
        }
        super().__init__(target, address, port, **(ours | options))

    def _init_shared_socket(self) -> None:
        fd = listening(self.bind_addr, self.bind_port, self.backlog).detach()  # granian closes it
        hold: Any = SocketHolder
        here: Any = self
        here._sfd, here._shd, here._ssp = fd, hold(fd, False, self.backlog), None


def listening(host: str, port: int, backlog: int = _BACKLOG) -> socket.socket:
    """A listening socket.

    Parameters
    ----------
    host, port
        Where; port 0: a free one.
    backlog
        Connections that may wait to be accepted.

    Examples
    --------
    >>> with listening("127.0.0.1", 0) as made:
    ...     made.getsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT)
    16384
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    made = socket.socket(family, socket.SOCK_STREAM)
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        made.setsockopt(socket.IPPROTO_TCP, _NOTSENT_LOWAT, UNSENT)
        made.bind((host, port))
        made.listen(backlog)
        made.setblocking(False)
    except BaseException:
        made.close()
        raise
    return made


def connections() -> int:
    """How many this process can bear: its limit of open files is raised as far as that takes and it may.

    Examples
    --------
    >>> 64 <= connections() <= CONNECTIONS
    True
    """
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + _FILES
    if hard != resource.RLIM_INFINITY:
        wanted = min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (OSError, ValueError):  # macOS has a lower one beside
            wanted = soft
    return max(64, wanted - _FILES)
