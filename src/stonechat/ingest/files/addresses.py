"""Which hosts a server may fetch files from for its callers: none of its own network, unless it is told so."""

from __future__ import annotations

import ipaddress
import socket

from stonechat.errors import Kind, StonechatError

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
_TRANSLATED = ipaddress.ip_network("64:ff9b::/96")


class AddressRefused(StonechatError):
    """The host of a URL is in a private network, on this machine, or cannot be found."""

    code = "SC653"
    kind = Kind.INVALID


def address_of(host: str, port: int, *, private_allowed: bool) -> str:
    """The address to connect to for a host. Blocks. Raises `AddressRefused`.

    Every address that the host has must be a public one, and the caller connects to just the one that is returned: a
    name that resolves to another address a moment later gains nothing.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise AddressRefused(f"The host '{host}' cannot be found") from error
    addresses = [str(entry[4][0]) for entry in found]
    if not private_allowed and not all(map(is_public, addresses)):
        raise AddressRefused(
            f"The host '{host}' is not on the public internet",
            hint="Fetching from private networks is off; the setting allow_private_urls turns it on.",
        )
    return addresses[0]


def is_public(text: str) -> bool:
    """Whether an address is reachable from everywhere: not private, loopback, link-local, multicast or reserved."""
    address = _inner(ipaddress.ip_address(text.partition("%")[0]))
    return address.is_global and not address.is_multicast


def _inner(address: _Address) -> _Address:
    """The IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in _TRANSLATED:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo[1] if address.teredo else None
    return address.ipv4_mapped or address.sixtofour or teredo or address
