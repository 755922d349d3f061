"""Which pages may open the WebSocket: those that this server itself gives."""

from __future__ import annotations

import socket

_ANY = ("", "0.0.0.0", "::")


def own_origins(address: str, port: int) -> list[str]:
    """The host:port under which a browser can have asked for our pages.

    Parameters
    ----------
    address
        Where the server listens; an address that means all of the machine's stands for each, and for its names.
    port
        Its port.

    Examples
    --------
    >>> own_origins("10.1.2.3", 5006)
    ['127.0.0.1:5006', 'localhost:5006', '10.1.2.3:5006']
    """
    hosts = ["127.0.0.1", "localhost", address]
    if address in _ANY:
        import psutil

        families = (socket.AF_INET, socket.AF_INET6)
        told = (a for addresses in psutil.net_if_addrs().values() for a in addresses if a.family in families)
        hosts += [socket.gethostname(), socket.getfqdn(), *(a.address.partition("%")[0] for a in told)]
    return [f"[{h}]:{port}" if ":" in h else f"{h}:{port}" for h in dict.fromkeys(h.lower() for h in hosts if h)]
