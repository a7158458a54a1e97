/* SPDX-License-Identifier: BSD-3-Clause */

/* What the tests of qdiscs share. See kit_qdisc.h. */
#include "kit_qdisc.h"

#include <rte_cycles.h>
#include <stdlib.h>

#include "base/mem.h"

enum { STEPS_MAX = 100000, CLASSES_MAX = 64, FILLER_LEN = 20 };

uint64_t qdisc_now;

/* Where that class was at the last time. */
static int64_t hits[CLASSES_MAX];

void qdisc_take_clock(struct bench *b)
{
	bench_discard(b);
	memset(hits, 0, sizeof(hits));
	/* Buckets are full by then, whatever time they were made at. */
	qdisc_now = rte_rdtsc() + 3600 * rte_get_tsc_hz();
	for (unsigned int i = 0; i < b->dp->n_workers; i++)
		b->dp->workers[i]->clock = &qdisc_now;
	bench_run(b);
}

struct bench *qdisc_start_with(
	const char *config, const char *qdiscs, unsigned int n_workers, unsigned int n_mbufs)
{
	char *text = mem_printf("%s%s%s%s", config != NULL ? config : router_config,
		qdiscs != NULL ? "qdiscs = (\n" : "", qdiscs != NULL ? qdiscs : "",
		qdiscs != NULL ? ");\n" : "");
	struct bench *b = bench_create(text, n_workers, n_mbufs);

	free(text);
	qdisc_take_clock(b);
	return b;
}

struct bench *qdisc_start(const char *config, const char *qdiscs)
{
	return qdisc_start_with(config, qdiscs, 1, 8192);
}

/* Time */

uint64_t qdisc_cycles(const struct bench *b, uint64_t ns)
{
	return (uint64_t)((unsigned __int128)ns * b->dp->tsc_hz / 1000000000);
}

void qdisc_wait(struct bench *b, uint64_t ns)
{
	qdisc_now += qdisc_cycles(b, ns);
	bench_run(b);
}

bool qdisc_step(struct bench *b)
{
	uint64_t due = UINT64_MAX;

	for (unsigned int i = 0; i < b->dp->n_workers; i++)
		due = RTE_MIN(due, b->dp->workers[i]->due);
	if (due == UINT64_MAX)
		return false;
	qdisc_now = RTE_MAX(qdisc_now, due);
	bench_run(b);
	return true;
}

void qdisc_run_dry(struct bench *b)
{
	for (unsigned int i = 0; i < STEPS_MAX; i++)
		if (!qdisc_step(b))
			return;
	ck_abort_msg("something waits forever");
}

/* Packets */

void numbered_spec(struct frame *frame, uint16_t id, const struct ip4_spec *spec)
{
	struct ip4_spec with = *spec;

	with.src = with.src != NULL ? with.src : "192.0.2.10";
	with.dst = with.dst != NULL ? with.dst : "198.51.100.10";
	frame_ip4(frame, &with);
	frame_ip(frame)->packet_id = rte_cpu_to_be_16(id);
	frame_fix_ip(frame);
}

void numbered_frame(struct frame *frame, uint16_t id, uint32_t len)
{
	uint32_t headers =
		RTE_ETHER_HDR_LEN + sizeof(struct rte_ipv4_hdr) + sizeof(struct rte_udp_hdr);

	REQUIRE(len >= headers);
	numbered_spec(frame, id, &(struct ip4_spec){ .payload_len = (uint16_t)(len - headers) });
}

void numbered_send(struct bench *b, uint16_t id, uint32_t len)
{
	struct frame frame;

	numbered_frame(&frame, id, len);
	bench_send(b, LAN, &frame);
}

int numbered_next(struct bench *b, unsigned int port)
{
	struct frame frame;

	do
		if (!bench_receive(b, port, &frame))
			return -1;
	while (frame_ether(&frame)->ether_type != RTE_BE16(RTE_ETHER_TYPE_IPV4));
	return rte_be_to_cpu_16(frame_ip(&frame)->packet_id);
}

void numbered_expect(struct bench *b, unsigned int port, uint16_t first, uint16_t last)
{
	for (unsigned int i = first; i <= last; i++) {
		int id = numbered_next(b, port);

		REQUIRE_MSG(id == (int)i, "packet %d came out in place of %u", id, i);
	}
	REQUIRE(numbered_next(b, port) == -1);
}

/* Figures */

static json_t *find_row(json_t *rows, const char *handle)
{
	json_t *row;
	size_t i;

	json_array_foreach(rows, i, row) {
		const char *name = json_string_value(json_object_get(row, "name"));

		if (strcmp(json_text_at(row, "handle"), handle) == 0 ||
			(name != NULL && strcmp(name, handle) == 0))
			return row;
	}
	ck_abort_msg("there is no %s", handle);
	return NULL;
}

static int64_t figure(
	struct bench *b, const char *method, const char *dev, const char *handle, const char *path)
{
	char *params = mem_printf("{\"dev\": \"%s\"}", dev);
	json_t *rows = bench_call_only(b, method, params);
	int64_t value = json_int_at(find_row(rows, handle), path);

	json_decref(rows);
	free(params);
	return value;
}

int64_t qdisc_figure(struct bench *b, const char *dev, const char *handle, const char *path)
{
	return figure(b, "qdisc.show", dev, handle, path);
}

int64_t class_figure(struct bench *b, const char *dev, const char *class, const char *path)
{
	return figure(b, "class.show", dev, class, path);
}

/* Is it the class of a qdisc that has packets of its own? Others have what is below them. */
static bool is_leaf_class(const json_t *rows, const json_t *row)
{
	const char *leaf = json_string_value(json_object_get(row, "leaf"));
	const json_t *other;
	size_t i;

	if (leaf == NULL)
		return false;
	json_array_foreach(rows, i, other)
		if (strncmp(json_string_value(json_object_get(other, "handle")), leaf,
			    strlen(leaf)) == 0)
			return false;
	return true;
}

const char *class_hit(struct bench *b, const char *dev)
{
	char *params = mem_printf("{\"dev\": \"%s\"}", dev);
	json_t *rows = bench_call_only(b, "class.show", params), *row;
	static char hit[16];
	size_t i;

	strcpy(hit, "");
	json_array_foreach(rows, i, row) {
		int64_t n = json_int_at(row, "stats.packets") + json_int_at(row, "stats.qlen");

		REQUIRE(i < CLASSES_MAX);
		if (n != hits[i] && is_leaf_class(rows, row))
			snprintf(hit, sizeof(hit), "%s",
				*hit != '\0' || n != hits[i] + 1 ? "many"
								 : json_text_at(row, "handle"));
		hits[i] = n;
	}
	json_decref(rows);
	free(params);
	return hit;
}

int64_t qdisc_held(struct bench *b)
{
	struct dp_totals totals;

	dp_totals(b->dp, &totals);
	REQUIRE_MSG(totals.difference == 0, "accounting difference %" PRId64, totals.difference);
	return totals.stats.held;
}

void device_fill(struct bench *b, unsigned int port, unsigned int room)
{
	while (rte_ring_free_count(b->tx[port]) > room) {
		struct rte_mbuf *m = rte_pktmbuf_alloc(b->dp->pool);

		REQUIRE(m != NULL);
		REQUIRE(rte_pktmbuf_append(m, FILLER_LEN) != NULL);
		memset(rte_pktmbuf_mtod(m, void *), 0, FILLER_LEN);
		REQUIRE(rte_ring_enqueue(b->tx[port], m) == 0);
	}
}

void device_drain(struct bench *b, unsigned int port, unsigned int n)
{
	struct rte_mbuf *m;

	for (; n > 0; n--) {
		REQUIRE(rte_ring_dequeue(b->tx[port], (void **)&m) == 0);
		REQUIRE(m->pkt_len == FILLER_LEN);
		rte_pktmbuf_free(m);
	}
}
