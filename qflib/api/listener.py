"""The server whose sockets hold little that is unsent: who reads slowly is known for it soon."""

from __future__ import annotations

import socket
from typing import Any

from granian._granian import SocketHolder
from granian.server.embed import Server

#: Unsent bytes that a socket takes before its sender waits; without it 4 MB, half a minute of a busy stream.
UNSENT = 16_384
_NOTSENT_LOWAT = getattr(socket, "TCP_NOTSENT_LOWAT", 25)  # Linux's number; accepted sockets inherit it


class BoundedServer(Server):
    """granian's server in this process's loop, on a socket that bounds what is unsent.

    What is in flight is not bounded, so that a fast reader far away is as fast as without.
    """

    def _init_shared_socket(self) -> None:
        fd = listening(self.bind_addr, self.bind_port, self.backlog).detach()  # granian closes it
        hold: Any = SocketHolder
        here: Any = self
        here._sfd, here._shd, here._ssp = fd, hold(fd, False, self.backlog), None


def listening(host: str, port: int, backlog: int = 1_024) -> socket.socket:
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
