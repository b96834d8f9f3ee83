"""URLs of addresses. Standard library only."""


def url_of(address: str, port: int | str) -> str:
    """Return where a port of an address serves HTTP; IPv6 stands in brackets."""
    return f"http://[{address}]:{port}" if ":" in address else f"http://{address}:{port}"
