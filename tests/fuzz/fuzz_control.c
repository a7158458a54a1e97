/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Fuzz target: lines of the control socket, against a real appliance. Whatever is said, every
 * request gets a JSON answer (or none, for a notification), and afterwards a packet is still
 * forwarded or dropped by name with exact accounting.
 */
#include <stddef.h>
#include <stdint.h>

#include "fuzz_eal.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void serve(struct bench *b, const char *line, size_t len)
{
	char *answer = ctl_serve_line(b->ctl, line, len);
	json_t *json;

	if (answer == NULL)
		return;
	json = json_loads(answer, 0, NULL);
	if (json == NULL)
		abort();
	json_decref(json);
	free(answer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct bench *b;
	struct dp_totals totals;
	struct frame frame;

	if (b == NULL) {
		fuzz_init_eal();
		b = bench_create(NULL, 1, 4096);
	}
	while (size > 0) {
		const uint8_t *end = memchr(data, '\n', size);
		size_t len = end == NULL ? size : (size_t)(end - data);

		serve(b, (const char *)data, len);
		data += len + (end != NULL);
		size -= len + (end != NULL);
	}
	frame_ip4(&frame, &(struct ip4_spec){ .src = "192.0.2.9", .dst = "198.51.100.9" });
	bench_send(b, 0, &frame);
	bench_run(b);
	bench_discard(b);
	dp_totals(b->dp, &totals);
	if (totals.difference != 0)
		abort();
	return 0;
}
