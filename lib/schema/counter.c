/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * From a struct of figures to JSON, by the table of its counters. Pure; the caller has copied what
 * other threads write.
 */
#include "schema/counter.h"

#include <stdint.h>

json_t *counters_json(const struct counter *table, const void *values)
{
	json_t *json = json_object();

	for (; table->name != NULL; table++) {
		const void *value = (const char *)values + table->offset;

		json_object_set_new(json, table->name,
			table->is_ratio ? json_real(*(const double *)value)
					: json_integer(*(const int64_t *)value));
	}
	return json;
}
