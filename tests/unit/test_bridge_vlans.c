/* SPDX-License-Identifier: BSD-3-Clause */

/* Lists of VLANs as the settings of bridges have them (lib/bridge). */
#include "bridge/bridge_vlans.h"

#include <errno.h>

#include "suite.h"

struct range {
	unsigned int first, last;
};

static const struct {
	const char *text;
	bool is_refused;
	struct range want[3]; /* first 0: no more */
} lists[] = {
	{ NULL, false, { { 0, 0 } } },
	{ "", false, { { 0, 0 } } },
	{ "1", false, { { 1, 1 } } },
	{ "4094", false, { { 4094, 4094 } } },
	{ "1-4094", false, { { 1, 4094 } } },
	{ "10,20-30", false, { { 10, 10 }, { 20, 30 } } },
	{ "20-30,10", false, { { 10, 10 }, { 20, 30 } } },
	{ "5-5", false, { { 5, 5 } } },
	{ "10,10,10-12,11", false, { { 10, 12 } } },
	{ "63,64,127-128", false, { { 63, 64 }, { 127, 128 } } },
	{ "0010", false, { { 10, 10 } } },
	{ "1,64-70,4000-4001", false, { { 1, 1 }, { 64, 70 }, { 4000, 4001 } } },
	{ "0", true, { { 0, 0 } } },
	{ "4095", true, { { 0, 0 } } },
	{ "4096", true, { { 0, 0 } } },
	{ "99999999999999999999", true, { { 0, 0 } } },
	{ "1-99999999999999999999", true, { { 0, 0 } } },
	{ "18446744073709551617", true, { { 0, 0 } } },
	{ "-1", true, { { 0, 0 } } },
	{ "+1", true, { { 0, 0 } } },
	{ " 1", true, { { 0, 0 } } },
	{ "1 ", true, { { 0, 0 } } },
	{ "1, 2", true, { { 0, 0 } } },
	{ "30-20", true, { { 0, 0 } } },
	{ "0-5", true, { { 0, 0 } } },
	{ "5-4095", true, { { 0, 0 } } },
	{ "1-", true, { { 0, 0 } } },
	{ "-", true, { { 0, 0 } } },
	{ "1--2", true, { { 0, 0 } } },
	{ "1-2-3", true, { { 0, 0 } } },
	{ ",", true, { { 0, 0 } } },
	{ "1,", true, { { 0, 0 } } },
	{ ",1", true, { { 0, 0 } } },
	{ "1,,2", true, { { 0, 0 } } },
	{ "all", true, { { 0, 0 } } },
	{ "1a", true, { { 0, 0 } } },
	{ "0x10", true, { { 0, 0 } } },
};

static bool is_wanted(const struct range *ranges, unsigned int vid)
{
	for (unsigned int i = 0; i < 3 && ranges[i].first != 0; i++)
		if (vid >= ranges[i].first && vid <= ranges[i].last)
			return true;
	return false;
}

START_TEST(a_list_of_vlans_is_read)
{
	struct bridge_vlans vlans;
	int err = bridge_vlans_parse(lists[_i].text, &vlans);

	ck_assert_int_eq(err, lists[_i].is_refused ? -EINVAL : 0);
	for (uint16_t vid = 0; err == 0 && vid < BRIDGE_VIDS; vid++)
		ck_assert_msg(bridge_vlans_have(&vlans, vid) == is_wanted(lists[_i].want, vid),
			"VLAN %u of \"%s\"", vid, lists[_i].text);
}
END_TEST

SUITE_MAIN("bridge_vlans", LOOP_TEST(a_list_of_vlans_is_read, lists))
