/* SPDX-License-Identifier: BSD-3-Clause */

/* What the tests of this ring share. See kit.h. */
#include "kit.h"

#include <errno.h>
#include <fcntl.h>
#include <rte_cycles.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/mem.h"

const char router_config[] =
	"memory: { hugepages = \"off\"; };\n"
	"links = (\n"
	"  { name = \"lan\"; device = \"net_ring_p0\"; mac = \"" LAN_MAC "\";\n"
	"    addresses = [ \"192.0.2.1/24\" ]; },\n"
	"  { name = \"wan\"; device = \"net_ring_p1\"; mac = \"" WAN_MAC "\";\n"
	"    addresses = [ \"198.51.100.1/24\" ]; },\n"
	"  { name = \"dmz\"; device = \"net_ring_p2\"; mac = \"" DMZ_MAC "\";\n"
	"    addresses = [ \"203.0.113.1/24\" ]; }\n"
	");\n"
	"neighbors = (\n"
	"  { to = \"192.0.2.10\"; lladdr = \"" HOST_MAC "\"; dev = \"lan\"; },\n"
	"  { to = \"198.51.100.10\"; lladdr = \"" PEER_MAC "\"; dev = \"wan\"; },\n"
	"  { to = \"203.0.113.10\"; lladdr = \"" DMZ_HOST "\"; dev = \"dmz\"; }\n"
	");\n"
	"routes = (\n"
	"  { to = \"default\"; via = \"198.51.100.10\"; },\n"
	"  { to = \"10.0.0.0/8\"; via = \"203.0.113.10\"; }\n"
	");\n";

struct bench *bench_start(const char *config)
{
	struct bench *b = bench_create(config, 1, 8192);

	bench_discard(b);
	return b;
}

/* Sending and receiving */

void bench_push(struct bench *b, unsigned int port, const struct frame *frame)
{
	bench_send(b, port, frame);
	bench_run(b);
}

void bench_push_split(struct bench *b, unsigned int port, const struct frame *frame, uint16_t first)
{
	struct rte_mbuf *m = rte_pktmbuf_alloc(b->dp->pool);
	struct rte_mbuf *rest = rte_pktmbuf_alloc(b->dp->pool);
	uint16_t n = (uint16_t)(frame->len - first);

	memcpy(rte_pktmbuf_append(m, first), frame->bytes, first);
	memcpy(rte_pktmbuf_append(rest, n), frame->bytes + first, n);
	REQUIRE(rte_pktmbuf_chain(m, rest) == 0);
	REQUIRE(rte_ring_enqueue(b->rx[port], m) == 0);
	bench_run(b);
}

void bench_expect(struct bench *b, unsigned int port, struct frame *frame)
{
	REQUIRE_MSG(bench_receive(b, port, frame), "nothing came out of port %u", port);
}

void bench_expect_bytes(struct bench *b, unsigned int port, const struct frame *want)
{
	struct frame frame;

	bench_expect(b, port, &frame);
	REQUIRE_MSG(frame.len == want->len, "%u bytes instead of %u", frame.len, want->len);
	for (uint32_t i = 0; i < want->len; i++)
		REQUIRE_MSG(frame.bytes[i] == want->bytes[i], "byte %u is 0x%02x instead of 0x%02x",
			i, frame.bytes[i], want->bytes[i]);
}

void bench_expect_nothing(struct bench *b)
{
	for (unsigned int i = 0; i < BENCH_PORTS; i++)
		REQUIRE_MSG(rte_ring_empty(b->tx[i]), "a frame came out of port %u", i);
}

unsigned int bench_count(struct bench *b, unsigned int port)
{
	struct rte_mbuf *m;
	unsigned int n = 0;

	for (; rte_ring_dequeue(b->tx[port], (void **)&m) == 0; n++)
		rte_pktmbuf_free(m);
	return n;
}

struct rte_mbuf **bench_take_buffers(struct bench *b, unsigned int *n)
{
	struct rte_mbuf **buffers = mem_zalloc(b->dp->pool->size * sizeof(*buffers));

	*n = 0;
	while ((buffers[*n] = rte_pktmbuf_alloc(b->dp->pool)) != NULL)
		++*n;
	return buffers;
}

void bench_give_buffers(struct rte_mbuf **buffers, unsigned int n)
{
	rte_pktmbuf_free_bulk(buffers, n);
	free(buffers);
}

/* Control */

void bench_sysctl(struct bench *b, const char *name, const char *value)
{
	char *params = mem_printf("{\"name\": \"%s\", \"value\": \"%s\"}", name, value);

	json_decref(bench_call(b, "sysctl.set", params));
	free(params);
}

const char *bench_neigh(struct bench *b, const char *addr)
{
	static char state[32];
	char *params = mem_printf("{\"to\": \"%s\", \"nud\": \"all\"}", addr);
	json_t *rows = bench_call(b, "neigh.show", params);

	snprintf(state, sizeof(state), "%s",
		json_array_size(rows) == 0 ? "" : json_text_at(rows, "0.state.0"));
	json_decref(rows);
	free(params);
	return state;
}

void bench_expect_error(struct bench *b, const char *method, const char *params, const char *text)
{
	char *error = bench_call_error(b, method, params);

	REQUIRE_MSG(strstr(error, text) != NULL, "%s %s was refused with \"%s\", not \"%s\"",
		method, params != NULL ? params : "", error, text);
	free(error);
}

char *bench_answer(struct bench *b, const char *method, const char *params)
{
	json_t *answer = bench_call(b, method, params);
	char *text = json_dumps(answer, JSON_SORT_KEYS | JSON_ENCODE_ANY);

	json_decref(answer);
	return text;
}

/* A client */

struct client *bench_connect(struct bench *b)
{
	struct client *client = mem_zalloc(sizeof(*client));
	struct sockaddr_un addr = { .sun_family = AF_UNIX };

	/* One bench at a time listens, in a file that goes with it. */
	snprintf(addr.sun_path, sizeof(addr.sun_path), "/tmp/weir-packet-%d.sock", getpid());
	REQUIRE(ctl_listen(b->ctl, addr.sun_path, NULL) == 0);
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	REQUIRE(client->fd >= 0);
	REQUIRE(connect(client->fd, (struct sockaddr *)&addr, sizeof(addr)) == 0);
	return client;
}

void bench_write(struct client *client, const char *line)
{
	size_t len = strlen(line);

	REQUIRE(write(client->fd, line, len) == (ssize_t)len);
	REQUIRE(write(client->fd, "\n", 1) == 1);
}

static void client_read(struct client *client)
{
	ssize_t n = read(client->fd, client->buf + client->len, sizeof(client->buf) - client->len);

	REQUIRE(n > 0 || (n < 0 && errno == EAGAIN));
	if (n > 0)
		client->len += (size_t)n;
}

json_t *bench_read(struct bench *b, struct client *client)
{
	uint64_t end = rte_rdtsc() + 10 * rte_get_tsc_hz();
	json_t *json;
	size_t len;
	char *line;

	while ((line = memchr(client->buf, '\n', client->len)) == NULL) {
		REQUIRE_MSG(rte_rdtsc() < end, "no line has come");
		event_base_loop(b->events, EVLOOP_NONBLOCK);
		bench_run(b);
		client_read(client);
	}
	len = (size_t)(line - client->buf) + 1;
	json = json_loadb(client->buf, len, 0, NULL);
	REQUIRE(json != NULL);
	client->len -= len;
	memmove(client->buf, client->buf + len, client->len);
	return json;
}

void client_close(struct client *client)
{
	close(client->fd);
	free(client);
}

/* Drops */

/* As dp_drops(), but nobody has to find the reason by its name: most tests do this often. */
static uint64_t drops_of(const struct dp *dp, unsigned int reason)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < dp->n_workers; i++)
		for (unsigned int s = 0; s < dp->n_stages; s++)
			n += dp->workers[i]->drops[reason * dp->n_stages + s];
	return n;
}

struct drops drops_take(const struct bench *b)
{
	struct drops drops = { 0 };

	REQUIRE(b->dp->n_reasons <= RTE_DIM(drops.n));
	for (unsigned int i = 0; i < b->dp->n_reasons; i++)
		drops.n[i] = drops_of(b->dp, i);
	return drops;
}

void drops_expect(const struct bench *b, const struct drops *before, const char *reason, uint64_t n)
{
	struct drops now = drops_take(b);
	bool is_known = false;

	for (unsigned int i = 0; i < b->dp->n_reasons; i++) {
		const char *name = b->dp->reasons[i]->name;
		uint64_t want = reason != NULL && strcmp(name, reason) == 0 ? n : 0;

		is_known |= reason != NULL && strcmp(name, reason) == 0;
		REQUIRE_MSG(now.n[i] - before->n[i] == want,
			"%" PRIu64 " packets were dropped as %s, %" PRIu64 " should have been "
			"(expected reason: %s)",
			now.n[i] - before->n[i], name, want, reason != NULL ? reason : "none");
	}
	REQUIRE_MSG(is_known || reason == NULL, "there is no drop reason %s", reason);
}

void drops_expect_none(const struct bench *b, const struct drops *before)
{
	drops_expect(b, before, NULL, 0);
}

/* Frames */

static void set_mac(struct rte_ether_addr *to, const char *text)
{
	struct mac_addr mac;

	REQUIRE(mac_addr_parse(text, &mac) == 0);
	memcpy(to->addr_bytes, mac.bytes, sizeof(to->addr_bytes));
}

uint32_t ip4_be(const char *text)
{
	struct ip_addr addr;

	REQUIRE(ip_addr_parse(text, &addr) == 0);
	return addr.v4_be;
}

void frame_ether_type(struct frame *frame, uint16_t type, uint32_t n)
{
	struct rte_ether_hdr *ether = frame_ether(frame);

	set_mac(&ether->src_addr, HOST_MAC);
	set_mac(&ether->dst_addr, LAN_MAC);
	ether->ether_type = rte_cpu_to_be_16(type);
	for (uint32_t i = 0; i < n; i++)
		frame->bytes[sizeof(*ether) + i] = (uint8_t)i;
	frame->len = sizeof(*ether) + n;
}

void frame_tag(struct frame *frame, uint16_t tpid, uint16_t tci)
{
	uint16_t tag[] = { rte_cpu_to_be_16(tpid), rte_cpu_to_be_16(tci) };

	memmove(frame->bytes + 16, frame->bytes + 12, frame->len - 12);
	memcpy(frame->bytes + 12, tag, sizeof(tag));
	frame->len += sizeof(tag);
}

void frame_forward(struct frame *frame, const char *src_mac, const char *dst_mac)
{
	struct rte_ether_hdr *ether = frame_ether(frame);

	set_mac(&ether->src_addr, src_mac);
	set_mac(&ether->dst_addr, dst_mac);
	frame_ip(frame)->time_to_live--;
	frame_fix_ip(frame);
	frame->len = RTE_ETHER_HDR_LEN + rte_be_to_cpu_16(frame_ip(frame)->total_length);
}

/* JSON */

json_t *json_at(json_t *json, const char *path)
{
	char key[64];
	const char *at = path;

	while (*at != '\0') {
		size_t len = strcspn(at, ".");

		snprintf(key, sizeof(key), "%.*s", (int)len, at);
		json = json_is_array(json) ? json_array_get(json, strtoul(key, NULL, 10))
					   : json_object_get(json, key);
		REQUIRE_MSG(json != NULL, "the answer has no %s", path);
		at += len + (at[len] == '.');
	}
	return json;
}

const char *json_text_at(json_t *json, const char *path)
{
	const char *text = json_string_value(json_at(json, path));

	REQUIRE_MSG(text != NULL, "%s is no string", path);
	return text;
}

int64_t json_int_at(json_t *json, const char *path)
{
	REQUIRE_MSG(json_is_integer(json_at(json, path)), "%s is no integer", path);
	return json_integer_value(json_at(json, path));
}

char *rules_load_begin(struct client *client, const char *text)
{
	char *path = mem_strdup("/tmp/weir-packet-XXXXXX"), *line;
	int fd = mkstemp(path);

	ck_assert_int_ge(fd, 0);
	ck_assert_int_eq(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
	line = mem_printf("{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"firewall.load\", "
			  "\"params\": {\"file\": \"%s\"}}",
		path);
	bench_write(client, line);
	free(line);
	return path;
}

json_t *rules_load(struct bench *b, struct client *client, const char *text)
{
	char *path = rules_load_begin(client, text);
	json_t *message = bench_read(b, client);

	unlink(path);
	free(path);
	return message;
}

int64_t bench_link_mtu(struct bench *b, const char *dev)
{
	char *params = mem_printf("{\"dev\": \"%s\"}", dev);
	json_t *links = bench_call(b, "link.show", params);
	int64_t mtu = json_int_at(links, "0.mtu");

	json_decref(links);
	free(params);
	return mtu;
}
