/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Tags that the stand-in for a device has taken off and put on; see vlan_device.c. */
extern unsigned int vlan_device_n_stripped, vlan_device_n_inserted;
