"""Run a command where nothing but loopback leads anywhere, and record what tries to leave.

`unshare --net python no_network.py REPORT COMMAND …` (with `--map-root-user` as an ordinary user): a route leads
all other traffic into a pair of virtual interfaces with nobody at the far end. REPORT gets a JSON list with one
entry a packet that went in (protocol, destination, first bytes), the exit status is the command's.
"""

import json
import socket
import subprocess
import sys
import threading
from pathlib import Path

from pyroute2 import IPRoute

PROTOCOLS = {1: "ICMP", 6: "TCP", 17: "UDP"}


def _open_trap(ip: IPRoute) -> socket.socket:
    """A socket that receives each frame which the route to everything but loopback leads away."""
    for setting in ("all", "default"):
        Path(f"/proc/sys/net/ipv6/conf/{setting}/disable_ipv6").write_text(
            "1"
        )  # no neighbor discovery of its own
    ip.link("set", index=ip.link_lookup(ifname="lo")[0], state="up")
    ip.link("add", ifname="trap", kind="veth", peer="nobody")
    trap, nobody = (ip.link_lookup(ifname=name)[0] for name in ("trap", "nobody"))
    ip.link("set", index=nobody, state="up")
    ip.link("set", index=trap, state="up")
    ip.addr("add", index=trap, address="198.51.100.2", prefixlen=24)  # TEST-NET-2, RFC 5737
    ip.neigh("add", dst="198.51.100.1", lladdr="02:00:00:00:00:01", ifindex=trap, state="permanent")
    ip.route("add", dst="default", gateway="198.51.100.1", oif=trap)
    everything = 0x0003  # ETH_P_ALL
    receiver = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(everything))
    receiver.bind(("nobody", everything))
    receiver.settimeout(0.2)
    return receiver


def _describe(frame: bytes) -> dict:
    """What a frame is, for the message of a failed test."""
    if frame[12:14] != b"\x08\x00":
        return {
            "protocol": f"ethertype {frame[12:14].hex()}",
            "to": frame[:6].hex(),
            "start": frame[14:60].hex(),
        }
    header = 4 * (frame[14] & 15)
    body = frame[14 + header :]
    address = ".".join(str(number) for number in frame[30:34])
    port = int.from_bytes(body[2:4], "big")
    return {
        "protocol": PROTOCOLS.get(frame[23], frame[23]),
        "to": f"{address}:{port}",
        "start": "".join(chr(byte) if 32 <= byte < 127 else "." for byte in body[:80]),
    }


def main() -> int:
    report, *command = sys.argv[1:]
    packets, ended = [], threading.Event()
    with IPRoute() as ip, _open_trap(ip) as receiver:

        def listen():
            while not ended.is_set():
                try:
                    packets.append(_describe(receiver.recv(65535)))
                except TimeoutError:
                    continue

        listener = threading.Thread(target=listen)
        listener.start()
        status = subprocess.call(command)
        threading.Event().wait(0.3)  # what was sent last is still on its way
        ended.set()
        listener.join()
    Path(report).write_text(json.dumps(packets))
    return status


if __name__ == "__main__":
    sys.exit(main())
