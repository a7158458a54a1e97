/* SPDX-License-Identifier: BSD-3-Clause */

/* What the tests of policers share. See kit_meter.h. */
#include "kit_meter.h"

#include <stdlib.h>

#include "base/mem.h"

void meter_frame(struct frame *frame, uint8_t tos)
{
	frame_ip4(frame, &(struct ip4_spec){ .src = "192.0.2.10",
				 .dst = "198.51.100.10",
				 .payload_len = METER_LEN - 42 });
	frame_ip(frame)->type_of_service = tos;
	frame_fix_ip(frame);
}

struct meter_seen meter_look(struct bench *b, const char *dev)
{
	char *params = mem_printf("{\"dev\": \"%s\"}", dev);
	json_t *rows = bench_call(b, "policer.show", params);
	struct meter_seen seen = {
		.green = json_int_at(rows, "0.green.packets"),
		.green_bytes = json_int_at(rows, "0.green.bytes"),
		.yellow = json_int_at(rows, "0.yellow.packets"),
		.yellow_bytes = json_int_at(rows, "0.yellow.bytes"),
		.red = json_int_at(rows, "0.red.packets"),
		.red_bytes = json_int_at(rows, "0.red.bytes"),
		.dropped = json_int_at(rows, "0.dropped"),
	};

	ck_assert_uint_eq(json_array_size(rows), 1);
	ck_assert_str_eq(json_text_at(rows, "0.dev"), dev);
	json_decref(rows);
	free(params);
	return seen;
}

void meter_expect(struct bench *b, const char *dev, int64_t green, int64_t yellow, int64_t red,
	int64_t dropped)
{
	struct meter_seen seen = meter_look(b, dev);

	REQUIRE_MSG(seen.green == green && seen.yellow == yellow && seen.red == red &&
			    seen.dropped == dropped,
		"%s: green %" PRId64 ", yellow %" PRId64 ", red %" PRId64 ", dropped %" PRId64, dev,
		seen.green, seen.yellow, seen.red, seen.dropped);
}

void meter_do(struct bench *b, const char *verb, const char *args)
{
	char *method = mem_printf("policer.%s", verb), *params = mem_printf("{%s}", args);

	json_decref(bench_call(b, method, params));
	free(method);
	free(params);
}
