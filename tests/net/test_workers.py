# SPDX-License-Identifier: BSD-3-Clause
"""
Several workers and queues, and workers that sleep. Topology: see Lab.router(); here with two workers
where it says so, on the CPUs that there are.
"""
import threading
import time

from scapy.layers.inet import IP, UDP
from scapy.layers.l2 import Ether
from scapy.packet import Raw
from scapy.utils import PcapReader, wrpcap

from harness import LAN_MAC, WEIR_LAN_MAC, base_conf, run, wait_until

TWO = {"lcores": "0-1", "idle": "adaptive"}


def sleeps(weir):
    return sum(row["sleeps"] for row in weir.ctl("worker", "show"))


def is_asleep(weir):
    """Woken by time only: about ten times a second, not thousands of times."""
    before = sleeps(weir)
    time.sleep(0.5)
    return sleeps(weir) - before < 50


def test_a_worker_with_taps_sleeps_until_something_comes(fresh_router):
    net = fresh_router
    wait_until(lambda: is_asleep(net.weir), 30, "a sleeping worker")
    for _ in range(3):
        sent, received, output = net.lan.ping("10.2.0.2", count=20, interval=0.01)
        assert (sent, received) == (20, 20), output
        wait_until(lambda: is_asleep(net.weir), 30, "a sleeping worker")
    # What has no descriptor wakes it as well: mail from the control thread, and its own packets.
    net.weir.ctl("route", "add", "10.99.0.0/16", "via", "10.2.0.2")
    sent, received, output = net.wan.ping("10.1.0.2", count=5, interval=0.2)
    assert (sent, received) == (5, 5), output
    assert net.weir.quiet()["difference"] == 0


def test_a_sudden_load_loses_nothing(lab):
    """From asleep to as many frames at once as the tap's queue in the kernel holds."""
    net = lab.router(is_scripted=True)
    wait_until(lambda: is_asleep(net.weir), 30, "a sleeping worker")
    frames = [Ether(src=LAN_MAC, dst=WEIR_LAN_MAC) / IP(src="10.1.0.2", dst="10.2.0.2") / UDP(sport=5, dport=9) /
              Raw(b"%04d" % i) for i in range(400)]
    with net.lan.wire() as lan, net.wan.wire() as wan:
        lan.send(*frames)
        got = wan.until(lambda f: UDP in f and bytes(f[Raw])[:4] == b"0399")
    assert [bytes(f[Raw])[:4] for f in got if UDP in f] == [b"%04d" % i for i in range(400)]


def echo_server(sock, n):
    for _ in range(n):
        data, peer = sock.recvfrom(100)
        sock.sendto(data, peer)


def exchange_flows(net, n_flows=64, n_each=5):
    """Many UDP flows there and back; every datagram must return, in order."""
    net.lan.ping("10.2.0.2", count=1)  # neighbours are known: their queues hold only so many packets
    server = net.wan.udp_socket("10.2.0.2", 7000)
    thread = threading.Thread(target=echo_server, args=(server, n_flows * n_each), daemon=True)
    thread.start()
    clients = [net.lan.udp_socket("10.1.0.2") for _ in range(n_flows)]
    for number in range(n_each):
        for client in clients:
            client.sendto(b"%d" % number, ("10.2.0.2", 7000))
        for client in clients:
            assert client.recv(100) == b"%d" % number
    thread.join(10)
    for sock in [server, *clients]:
        sock.close()


def test_taps_with_two_queues(lab):
    net = lab.router(lan={"queues": 2}, wan={"queues": 2}, workers=TWO)
    queues = [row["queues"] for row in net.weir.ctl("worker", "show")]
    assert sorted(sum(queues, [])) == ["lan:0", "lan:1", "wan:0", "wan:1"]
    assert [len(q) for q in queues] == [2, 2]
    exchange_flows(net)
    assert net.weir.quiet()["difference"] == 0
    assert all(row["packets"] > 0 for row in net.weir.ctl("worker", "show"))


def test_a_tap_is_steered_in_software(lab):
    net = lab.router(lan={"steering": "software"}, wan={"steering": "software"}, workers=TWO)
    assert {net.weir.link(name)["linkinfo"]["info_data"]["steering"] for name in ("lan", "wan")} == {"software"}
    exchange_flows(net)
    rows = net.weir.ctl("worker", "show")
    assert all(row["taken_over"] > 0 for row in rows), rows
    assert sum(row["handed_over"] for row in rows) == sum(row["taken_over"] for row in rows)
    # Buckets move while packets come and go.
    for bucket in range(0, 128, 3):
        net.weir.ctl("worker", "rebalance", "bucket", bucket, "worker", bucket % 2)
    exchange_flows(net)
    net.weir.ctl("worker", "rebalance")
    assert sum(row["buckets"] for row in net.weir.ctl("worker", "show")) == 128
    assert net.weir.quiet()["difference"] == 0


def test_hardware_that_takes_key_and_table_is_trusted(lab):
    links = [{"name": "a", "device": "net_null0,no-rx=1", "queues": 2},
             {"name": "b", "device": "net_null1,no-rx=1", "queues": 1},
             {"name": "c", "device": "net_null2,no-rx=1", "queues": 2, "steering": "software"}]
    weir = lab.daemon(base_conf(links=links, workers=TWO)).start()

    def steering():
        return [weir.link(name)["linkinfo"]["info_data"]["steering"] for name in "abc"]

    assert steering() == ["hardware", "none", "software"]
    weir.ctl("worker", "rebalance", "bucket", "1", "worker", "0")
    assert steering() == ["hardware", "none", "software"]


def test_a_capture_for_each_queue(lab):
    files = []
    for queue in range(2):
        files.append(str(lab.dir / f"in{queue}.pcap"))
        wrpcap(files[-1], [Ether(src="02:00:00:00:01:02", dst=WEIR_LAN_MAC) / IP(src="10.1.0.2", dst="10.2.0.2") /
                           UDP(sport=1000 + queue, dport=9) / Raw(b"%06d" % i) for i in range(2000)], linktype=1)
    out = [str(lab.dir / f"out{queue}.pcap") for queue in range(2)]
    links = [{"name": "a", "device": f"net_pcap0,rx_pcap={files[0]},rx_pcap={files[1]},tx_pcap={out[0]}", "queues": 2,
              "mac": WEIR_LAN_MAC, "addresses": ["10.1.0.1/24"]},
             {"name": "b", "device": f"net_pcap1,tx_pcap={out[1]}", "mac": "02:00:00:00:00:02",
              "addresses": ["10.2.0.1/24"]}]
    neighbors = [{"to": "10.2.0.2", "lladdr": "02:00:00:00:02:02", "dev": "b"}]
    weir = lab.daemon(base_conf(links=links, neighbors=neighbors, workers=TWO), "--until-idle", 300)
    weir.spawn()
    assert weir.wait(120) == 0, weir.stderr()
    with PcapReader(out[1]) as reader:
        got = [f for f in reader if UDP in f]
    for queue in range(2):
        assert [bytes(f[Raw])[:6] for f in got if f[UDP].sport == 1000 + queue] == [b"%06d" % i for i in range(2000)]


def test_a_worker_without_a_port_does_not_keep_it_from_being_idle(lab):
    """It sleeps for longer than the others."""
    source = str(lab.dir / "in.pcap")
    wrpcap(source, [Ether(dst=WEIR_LAN_MAC) / IP(src="10.1.0.2", dst="10.2.0.2") / UDP()], linktype=1)
    links = [{"name": "a", "device": f"net_pcap0,rx_pcap={source},tx_pcap={lab.dir / 'out.pcap'}", "mac": WEIR_LAN_MAC,
              "addresses": ["10.1.0.1/24"]}]
    weir = lab.daemon(base_conf(links=links, workers=TWO), "--until-idle", 300)
    weir.spawn()
    assert weir.wait(30) == 0, weir.stderr()


def test_without_a_second_cpu_two_workers_share_one(lab):
    """Rings between workers work however the machine schedules them."""
    net = lab.router(lan={"steering": "software"}, workers=TWO)
    run("taskset", "-apc", "0", net.weir.process.pid)
    sent, received, output = net.lan.ping("10.2.0.2", count=50, interval=0.01)
    assert (sent, received) == (50, 50), output
