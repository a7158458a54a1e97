/* SPDX-License-Identifier: BSD-3-Clause */

/* Fuzz target: packets through a router without rules. */
#include "packet_input.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	packet_input(PACKET_CONFIG, data, size);
	return 0;
}
