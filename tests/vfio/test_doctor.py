# SPDX-License-Identifier: BSD-3-Clause
"""weir --doctor where there is an IOMMU, and NICs with their kernel driver or with vfio-pci."""
import pytest

from router import BUILD

pytestmark = pytest.mark.usefixtures("kernel_nics")


def doctor(guest, links=""):
    """(exit code, lines)"""
    guest.sh(f"cat >/tmp/doctor.conf <<'END'\n{links}\nEND")
    status, out = guest.run(f"{BUILD}/app/weir/weir --doctor -c /tmp/doctor.conf")
    return status, out.splitlines()


def test_it_tells_what_to_do_until_nothing_is_left(guest):
    links = 'links = ( { name = "a"; device = "0000:00:10.0"; } );'
    guest.sh("ip addr add 192.0.2.9/24 dev eth1")
    status, lines = doctor(guest, links)
    assert status == 1
    assert "ok       iommu          on" in lines
    assert "warn     nic            0000:00:10.0: e1000e (eth0), DPDK's driver would be net_e1000_em" in lines
    assert "warn     nic            0000:00:11.0: e1000e (eth1), used by this machine itself" in lines
    assert "                        mend: scripts/bind 0000:00:11.0" not in lines
    assert lines[-1] == "weir cannot run here: links"
    at = lines.index("missing  links          0000:00:10.0: e1000e (eth0), not vfio-pci")
    guest.sh(lines[at + 2].partition("mend: ")[2])
    status, lines = doctor(guest, links)
    assert status == 0
    assert "ok       nic            0000:00:10.0: vfio-pci, DPDK's driver is net_e1000_em" in lines
    assert "ok       links          0000:00:10.0: vfio-pci" in lines
    assert "ok       /dev/vfio      we may open it" in lines
