# SPDX-License-Identifier: BSD-3-Clause
"""scripts/bind with the guest's kernel as the other party."""
import pytest

pytestmark = pytest.mark.usefixtures("kernel_nics")


def drivers(guest):
    """{PCI address: (driver, interface, former driver)} as --status tells it."""
    rows = [line.split() for line in guest.sh("scripts/bind --status").splitlines()[1:]]
    return {row[0]: tuple(row[1:]) for row in rows}


KERNEL = {"0000:00:10.0": ("e1000e", "eth0", "-"), "0000:00:11.0": ("e1000e", "eth1", "-")}


def test_a_nic_goes_to_vfio_pci_and_back_by_name_and_by_address(guest):
    assert drivers(guest) == KERNEL
    guest.sh("scripts/bind eth0 00:11.0")
    assert drivers(guest) == {"0000:00:10.0": ("vfio-pci", "-", "e1000e"), "0000:00:11.0": ("vfio-pci", "-", "e1000e")}
    guest.sh("[ -c /dev/vfio/vfio ] && ls /dev/vfio/[0-9]*")
    guest.sh("scripts/bind --undo 0000:00:10.0")
    guest.wait("ip link show eth0")
    guest.sh("scripts/bind --undo-all")
    guest.wait("ip link show eth1")
    assert drivers(guest) == KERNEL


def test_binding_twice_keeps_the_former_driver_in_mind(guest):
    guest.sh("scripts/bind eth0")
    assert "already" in guest.sh("scripts/bind 00:10.0")
    assert drivers(guest)["0000:00:10.0"] == ("vfio-pci", "-", "e1000e")


@pytest.mark.parametrize("use, why", [
    ("ip addr add 192.0.2.9/24 dev eth0", "has the address 192.0.2.9/24"),
    ("ip -6 addr add 2001:db8::9/64 dev eth0", "has the address 2001:db8::9/64"),
    ("ip link set eth0 up; ip route add default dev eth0", "carries the default route"),
    ("ip link add link eth0 name over0 type macvlan", "is below over0"),
])
def test_a_nic_that_is_in_use_is_refused_unless_forced(guest, use, why):
    guest.sh(use)
    status, out = guest.run("scripts/bind eth0 eth1")
    assert status == 1
    assert out.splitlines() == [f"scripts/bind: 0000:00:10.0: eth0 {why}; --force takes it all the same",
                                "0000:00:11.0: e1000e -> vfio-pci"]
    assert drivers(guest)["0000:00:10.0"] == ("e1000e", "eth0", "-")
    guest.sh("scripts/bind --force eth0")
    assert drivers(guest)["0000:00:10.0"][0] == "vfio-pci"


def test_after_a_reboot_the_same_nics_are_bound_again(guest):
    guest.sh("scripts/bind eth0")
    # What a reboot leaves: the file, and the kernel's own choice of drivers.
    guest.sh("cd /sys/bus/pci/devices/0000:00:10.0; echo >driver_override; echo 0000:00:10.0 >driver/unbind; "
             "echo 0000:00:10.0 >/sys/bus/pci/drivers_probe")
    assert drivers(guest) == {**KERNEL, "0000:00:10.0": ("e1000e", "eth0", "e1000e")}
    guest.sh("scripts/bind --restore")
    assert drivers(guest) == {**KERNEL, "0000:00:10.0": ("vfio-pci", "-", "e1000e")}


def test_a_nic_without_a_driver_goes_back_to_none(guest):
    guest.sh("echo 0000:00:10.0 >/sys/bus/pci/drivers/e1000e/unbind")
    guest.sh("scripts/bind 00:10.0")
    guest.sh("scripts/bind --undo 00:10.0")
    assert drivers(guest)["0000:00:10.0"] == ("none", "-", "-")
    guest.sh("echo 0000:00:10.0 >/sys/bus/pci/drivers_probe")


@pytest.mark.parametrize("words, status, why", [
    ("00:1f.2", 1, "not a network device"),
    ("lo", 1, "no such PCI address or interface"),
    ("../../etc", 1, "no such PCI address or interface"),
    ("--undo 00:10.0", 1, "was not taken by scripts/bind"),
    ("", 2, "scripts/bind --status"),
    ("--nothing", 2, "scripts/bind --status"),
    ("--status eth0", 2, "scripts/bind --status"),
])
def test_what_makes_no_sense_is_refused(guest, words, status, why):
    result, out = guest.run(f"scripts/bind {words}")
    assert result == status
    assert why in out
    assert drivers(guest) == KERNEL
