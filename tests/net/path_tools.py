# SPDX-License-Identifier: BSD-3-Clause
"""What users run to look at a path, for the tests that compare weir with a kernel in its place."""

WAIT_S = "10"  # for answers that do come, on a busy machine


def path_tools(peer, near, far):
    """{name: command} from lan. The peer is wan's, near and far are the router's addresses on lan and on wan."""
    family = "-6" if ":" in peer else "-4"
    traceroute, tracepath = ([tool, family, "-n", "-m", "5"] for tool in ("traceroute", "tracepath"))
    traceroute += ["-w", WAIT_S]
    return {
        "traceroute_udp": [*traceroute, "-q", "2", peer],
        "traceroute_icmp": [*traceroute, "-I", "-q", "2", peer],
        "traceroute_tcp": [*traceroute, "-T", "-q", "2", peer],
        "traceroute_large": [*traceroute, "-q", "1", peer, "1450"],
        "traceroute_mtu": [*traceroute, "--mtu", "-q", "1", peer],
        "traceroute_to_the_router": [*traceroute, "-q", "2", near],
        "traceroute_to_its_other_side": [*traceroute, "-q", "2", far],
        "tracepath": [*tracepath, peer],
        "tracepath_long": [*tracepath, "-l", "1500", peer],
        "tracepath_to_the_router": [*tracepath, far],
    }


def traceroute_to_nowhere(sender, to):
    """From one of lan's addresses to a destination that the router refuses."""
    return ["traceroute", "-n", "-w", WAIT_S, "-q", "1", "-m", "3", "-s", sender, to]


def both_see(words, *hosts):
    """
    What each host sees by a command. The kernel marks a socket as failed after it has queued an ICMP error, so that
    a tool which another CPU wakes in between has read the error before the mark: tracepath then sends twice,
    and traceroute looks for errors only, to its end. A router on the same CPU never gives them the chance.
    Where hosts differ by that they are asked again.
    """
    seen = [host.sees(words) for host in hosts]
    if seen[0] != seen[1] and words[0] in ("tracepath", "traceroute"):
        seen = [host.sees(words) for host in hosts]
    return seen
