/* SPDX-License-Identifier: BSD-3-Clause */

/* Reads sets of VLANs from text; see bridge_vlans.h. */
#include "bridge/bridge_vlans.h"

#include <errno.h>
#include <stdlib.h>

#include "link/link.h"

/* "20" or "20-30" at the start of text; what follows. NULL: neither. */
static const char *vlan_range_parse(const char *text, unsigned long *first, unsigned long *last)
{
	char *end;

	if (*text < '0' || *text > '9')
		return NULL;
	*first = *last = strtoul(text, &end, 10);
	if (*end == '-') {
		text = end + 1;
		if (*text < '0' || *text > '9')
			return NULL;
		*last = strtoul(text, &end, 10);
	}
	return *first >= 1 && *first <= *last && *last <= LINK_VID_MAX ? end : NULL;
}

int bridge_vlans_parse(const char *text, struct bridge_vlans *out)
{
	unsigned long first, last;

	*out = (struct bridge_vlans){ 0 };
	if (text == NULL || text[0] == '\0')
		return 0;
	while (true) {
		text = vlan_range_parse(text, &first, &last);
		if (text == NULL)
			return -EINVAL;
		for (unsigned long vid = first; vid <= last; vid++)
			out->bits[vid / 64] |= UINT64_C(1) << vid % 64;
		if (*text == '\0')
			return 0;
		if (*text++ != ',')
			return -EINVAL;
	}
}
