"""Packets between the processes: one JSON text each, whole or not at all, and never a reason to wait.

The supervisor keeps both ends open, so that either side may die and be started again without the other seeing an
end of file; what is sent meanwhile waits in the kernel or is dropped, which is right for views and sightings.
"""

import socket

PACKET_BYTES = 1 << 18


def pair() -> tuple[socket.socket, socket.socket]:
    """Return two connected ends that keep packets apart."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    for end in ends:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * PACKET_BYTES)
        end.setblocking(False)
    return ends


class Channel:
    """One end."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self.socket = end

    def send(self, text: str) -> bool:
        """Send one packet; say False if the other side is too far behind."""
        try:
            self.socket.send(text.encode())
        except OSError:
            return False
        return True

    def receive(self) -> list[str]:
        """Return the packets that have arrived, oldest first."""
        packets: list[str] = []
        while True:
            try:
                packet = self.socket.recv(PACKET_BYTES)
            except OSError:
                return packets
            if not packet:
                return packets
            packets.append(packet.decode())
