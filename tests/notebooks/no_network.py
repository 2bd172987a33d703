"""Run a command where nothing but loopback leads anywhere, and count what tries to leave.

`unshare --net python no_network.py COUNT_FILE COMMAND …` (with `--map-root-user` as an ordinary user): a route
leads all other traffic into a pair of virtual interfaces with nobody at the far end. COUNT_FILE gets the number
of packets that went in, the exit status is the command's.
"""

import subprocess
import sys
from pathlib import Path

from pyroute2 import IPRoute


def _open_trap(ip: IPRoute) -> int:
    """The index of the interface that everything but loopback is routed into."""
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
    return trap


def main() -> int:
    count_file, *command = sys.argv[1:]
    with IPRoute() as ip:
        trap = _open_trap(ip)

        def sent():
            return ip.get_links(trap)[0].get_attr("IFLA_STATS64")["tx_packets"]

        before = sent()
        status = subprocess.call(command)
        Path(count_file).write_text(str(sent() - before))
    return status


if __name__ == "__main__":
    sys.exit(main())
