"""A blueprint made real: a network namespace for each node, held by file descriptors of the calling process."""

from __future__ import annotations

import os
import time
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from validate.emulated import links, queues
from validate.emulated.blueprint import Blueprint, ip
from validate.emulated.namespaces import inside, new_network
from validate.emulated.netlink import Message, Netlink, attributes

#: of every node. Flows are told apart by the ports of their connection where the kernel hashes them
_NODE = {
    "ipv4/ip_forward": "1",
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/default/rp_filter": "0",
    "ipv4/conf/all/send_redirects": "0",
    "ipv4/conf/default/send_redirects": "0",
    "ipv6/conf/all/disable_ipv6": "1",
    "ipv6/conf/default/disable_ipv6": "1",
}
#: of endpoints. A connection has no more under way than its send buffer holds (`_buffer`): too little to overflow a queue, which
#: makes the network lossless, as credits or PFC do; so what looks lost is late. Windows are far larger than that: a segment that
#: waited while more than a window was acknowledged the other way, past the queues, would be dropped as too old (RFC 5961, 5.2)
_ENDPOINT = {
    "ipv4/tcp_congestion_control": "reno",
    "ipv4/tcp_rmem": "4096 16000000 16000000",
    "ipv4/tcp_slow_start_after_idle": "0",
    "ipv4/tcp_no_metrics_save": "1",
    "ipv4/tcp_early_retrans": "0",
    "ipv4/tcp_rto_min_us": "2000000",
}
#: the hash over addresses, protocol and ports, chosen field by field. Policy 1 is the same, but not for what comes from a socket
#: of this machine: that carries a random hash of the socket's own, which every switch on its way would take as it is
_HASH = {"ipv4/fib_multipath_hash_policy": "3", "ipv4/fib_multipath_hash_fields": str(0x37)}
_OPTIONAL = ("ipv6/conf/all/disable_ipv6", "ipv6/conf/default/disable_ipv6", "ipv4/tcp_rto_min_us")  # not in every kernel
_FIRST_TABLE = 1000
_UNDER_WAY = 32e-3  # seconds of the rate of an endpoint's link: eight times as long as ranks sleep
_LEAST_BUFFER = 50_000  # bytes: eleven full packets, more than a way has links
_FIFO_BUFFER = 400_000  # bytes
_RUNNING = 10.0  # seconds; the kernel takes one


@dataclass(frozen=True, eq=False)
class Built:
    """Namespaces that exist, and a socket into each."""

    plan: Blueprint
    networks: tuple[int, ...]  #: file descriptor of each node's network namespace
    sockets: tuple[Netlink, ...]

    def counters(self) -> list[tuple[int, int]]:
        """Of each link, since it was made: bytes sent, packets dropped."""
        at = [queues.counters(socket) for socket in self.sockets]
        where = [self.plan.interface(link) for link in range(len(self.plan.rates))]
        return [at[node][interface] for node, interface in where]


def build(plan: Blueprint) -> Built:
    """Make the network of a blueprint. Needs CAP_SYS_ADMIN and CAP_NET_ADMIN. Raises OSError.

    The caller is left in a network namespace of its own, with nothing in it but a loopback.
    """
    made = [_node(plan, v) for v in range(plan.nodes)]
    networks, sockets = tuple(n for n, _ in made), tuple(s for _, s in made)
    os.close(new_network())
    own = Netlink()
    own.do([links.up(1)])
    own.close()
    wires: dict[int, list[Message]] = defaultdict(list)
    for cable, (a, b) in enumerate(plan.ends):
        wires[a].append(links.veth(plan.interface(2 * cable)[1], plan.interface(2 * cable + 1)[1], networks[b]))
    for node in range(plan.nodes):
        sockets[node].do(wires[node])
    at: dict[int, set[int]] = defaultdict(set)
    for node, interface in map(plan.interface, range(len(plan.rates))):
        at[node].add(interface)
    rest = _queues(plan)
    for node, messages in _routes(plan).items():
        rest[node] += messages
    for node in range(plan.nodes):
        raised = [links.up(interface) for interface in sorted(at[node])]
        own_address = [links.address(ip(node), 2)] if node < plan.endpoints else []
        sockets[node].do([*raised, *own_address, *rest[node]])
    for node in range(plan.endpoints):
        until_running(sockets[node], at[node])
    return Built(plan, networks, sockets)


def until_running(socket: Netlink, interfaces: set[int]) -> None:
    """Wait until interfaces are running. The kernel says so of some of them (a veth pair with one number at both ends) as much as
    a second after they are up, and MPI libraries pass over those that are not. Raises OSError where it never does."""
    deadline = time.monotonic() + _RUNNING
    while not interfaces <= links.running(socket):
        if time.monotonic() > deadline:
            raise OSError(f"interfaces are up and do not run after {_RUNNING:.0f} s")
        time.sleep(0.01)


def _node(plan: Blueprint, node: int) -> tuple[int, Netlink]:
    network = new_network()
    settings = _NODE | (_ENDPOINT | {"ipv4/tcp_wmem": f"4096 {_buffer(plan)} {_buffer(plan)}"} if node < plan.endpoints else {})
    if plan.seed >= 0:
        settings |= _HASH | {"ipv4/fib_multipath_hash_seed": str(hash_seed(plan.seed, node))}
    for name, value in settings.items():
        try:
            Path("/proc/sys/net", name).write_text(value)
        except FileNotFoundError:
            if name not in _OPTIONAL:
                raise
    socket = Netlink()
    socket.do([links.up(1)])
    return network, socket


def _buffer(plan: Blueprint) -> int:
    """Bytes of a connection that may be under way. In a fair queue a dozen packets, enough for every hop to have one, and for the
    links to be busy while ranks sleep; more would wait inside switches, whose buffers are no part of the model: there they use
    what others leave, where max-min fairness holds them back at their source. In a FIFO all must be in the queue to get a share.
    """
    if plan.queues == "fifo":
        return _FIFO_BUFFER
    return max(_LEAST_BUFFER, round(_UNDER_WAY * max(plan.rates[link] for link in plan.leaving)))


def hash_seed(seed: int, node: int) -> int:
    """What a node's hash is salted with: Knuth's hash of seed and node; never 0, which the kernel takes for a random one."""
    return ((seed * 65537 + node + 1) * 2654435761 & 0xFFFFFFFF) or 1


def _queues(plan: Blueprint) -> dict[int, list[Message]]:
    leaves: dict[int, list[int]] = defaultdict(list)
    for link, source, to in plan.leaves:
        leaves[link].append(queues.leaf(ip(source)[3], ip(to)[3]))
    out: dict[int, list[Message]] = defaultdict(list)
    for link, rate in enumerate(plan.rates):
        node, interface = plan.interface(link)
        out[node] += queues.fair(interface, rate, leaves[link]) if plan.queues == "fair" else queues.fifo(interface, rate)
    return out


def _routes(plan: Blueprint) -> dict[int, list[Message]]:
    out: dict[int, list[Message]] = defaultdict(list)
    ruled = set()
    for node, to, over, source in plan.routes:
        interfaces = [plan.interface(link)[1] for link in over]
        if source < 0:
            out[node].append(links.route(ip(to), interfaces))
            continue
        if (node, source) not in ruled:
            ruled.add((node, source))
            out[node].append(links.rule(ip(source), _FIRST_TABLE + source))
        out[node].append(links.route(ip(to), interfaces, _FIRST_TABLE + source))
    return out


def connections(built: Built) -> Iterator[tuple[int, int, int, int]]:
    """Established TCP connections between endpoints: (endpoint, its port, other endpoint, that one's port)."""
    for node in range(built.plan.endpoints):
        with inside(built.networks[node]):
            lines = Path("/proc/self/net/tcp").read_text().splitlines()[1:]
        for line in lines:
            _, local, remote, state = line.split()[:4]
            (here, port), (there, other) = (end.split(":") for end in (local, remote))
            peer = bytes.fromhex(there)[::-1]
            if state == "01" and bytes.fromhex(here)[::-1] == ip(node) and peer[:3] == ip(0)[:3]:
                yield node, int(port, 16), peer[3] - 1, int(other, 16)


def way(built: Built, source: int, to: int, ports: tuple[int, int]) -> list[int]:
    """The links that the kernel sends a connection's packets over. Raises OSError where it has no route."""
    plan = built.plan
    at = {plan.interface(link): link for link in range(len(plan.rates))}
    out: list[int] = []
    node, arriving = source, None
    while node != to:
        (body,) = built.sockets[node].ask(*links.which_way(ip(source), ip(to), ports, arriving))
        link = at[node, int.from_bytes(attributes(body[12:])[4], "little")]
        if link in out:
            raise OSError(f"the routes loop between {plan.labels[source]} and {plan.labels[to]}")
        out.append(link)
        node, arriving = plan.interface(link ^ 1)
    return out
