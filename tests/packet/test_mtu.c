/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Changing the MTU of a port that must be stopped for it: what passes meanwhile, how it comes back,
 * and what becomes of a change that fails or that is still under way at the end. The driver is
 * net_ring with some of ethdev's calls wrapped, so that it refuses an MTU while it is started.
 *
 *	192.0.2.10 --- lan (p0) weir wan (p1) --- 198.51.100.10
 *	                        dmz (p2) --- 203.0.113.10
 */
#include "kit.h"

#include <rte_ethdev.h>

static struct {
	bool is_stubborn; /* takes no MTU while started */
	bool is_stopped;
	unsigned int n_stops;
	unsigned int n_failures; /* starts that are going to fail */
	bool is_over;		 /* no turn of the control plane any more */
} driver;

int __wrap_rte_eth_dev_set_mtu(uint16_t port, uint16_t mtu);
int __wrap_rte_eth_dev_stop(uint16_t port);
int __real_rte_eth_dev_stop(uint16_t port);
int __wrap_rte_eth_dev_start(uint16_t port);
int __real_rte_eth_dev_start(uint16_t port);

int __wrap_rte_eth_dev_set_mtu(uint16_t port, uint16_t mtu)
{
	return driver.is_stubborn && !driver.is_stopped ? -EBUSY : 0;
}

int __wrap_rte_eth_dev_stop(uint16_t port)
{
	driver.is_stopped = true;
	driver.n_stops++;
	return __real_rte_eth_dev_stop(port);
}

int __wrap_rte_eth_dev_start(uint16_t port)
{
	if (driver.n_failures > 0) {
		driver.n_failures--;
		return -EIO;
	}
	driver.is_stopped = false;
	return __real_rte_eth_dev_start(port);
}

void __wrap_dp_tick(struct dp *dp, uint64_t now_ns);
void __real_dp_tick(struct dp *dp, uint64_t now_ns);

void __wrap_dp_tick(struct dp *dp, uint64_t now_ns)
{
	if (!driver.is_over)
		__real_dp_tick(dp, now_ns);
}

static struct bench *mtu_start(void)
{
	struct bench *b;

	memset(&driver, 0, sizeof(driver));
	b = bench_start(router_config);
	driver.is_stubborn = true;
	return b;
}

/* Begins a change whose client leaves at once. */
static void begin_change(struct bench *b, unsigned int mtu)
{
	char params[64];

	snprintf(params, sizeof(params), "{\"dev\": \"wan\", \"mtu\": %u}", mtu);
	free(bench_call_error(b, "link.set", params));
}

static void expect_link(struct bench *b, int mtu, const char *operstate)
{
	json_t *rows = bench_call(b, "link.show", "{\"dev\": \"wan\"}");

	ck_assert_int_eq(json_int_at(rows, "0.mtu"), mtu);
	ck_assert_str_eq(json_text_at(rows, "0.operstate"), operstate);
	json_decref(rows);
}

static void frame_of(struct frame *frame, unsigned int from, const char *dst)
{
	static const char *const hosts[] = { "192.0.2.10", "198.51.100.10", "203.0.113.10" };
	static const char *const ours[] = { LAN_MAC, WAN_MAC, DMZ_MAC };

	frame_ip4(
		frame, &(struct ip4_spec){ .src = hosts[from], .dst_mac = ours[from], .dst = dst });
}

static void expect_traffic_both_ways(struct bench *b)
{
	struct frame frame;

	frame_of(&frame, LAN, "198.51.100.10");
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_count(b, WAN), 1);
	frame_of(&frame, WAN, "192.0.2.10");
	bench_push(b, WAN, &frame);
	ck_assert_uint_eq(bench_count(b, LAN), 1);
}

START_TEST(a_port_that_must_stop_for_it_is_stopped_and_comes_back)
{
	struct bench *b = mtu_start();
	struct client *client = bench_connect(b);
	json_t *answer;

	bench_write(client, "{\"jsonrpc\": \"2.0\", \"id\": 7, \"method\": \"link.set\", "
			    "\"params\": {\"dev\": \"wan\", \"mtu\": 1400}}\n");
	answer = bench_read(b, client);
	ck_assert_int_eq(json_int_at(answer, "id"), 7);
	ck_assert_ptr_null(json_object_get(answer, "error"));
	json_decref(answer);
	ck_assert_uint_eq(driver.n_stops, 1);
	expect_link(b, 1400, "UP");
	expect_traffic_both_ways(b);
	client_close(client);
	bench_destroy(b);
}
END_TEST

START_TEST(everything_else_goes_on_while_a_port_is_stopped)
{
	struct bench *b = mtu_start();
	struct drops drops = drops_take(b);
	struct frame to_wan, to_dmz, from_wan;

	frame_of(&to_wan, LAN, "198.51.100.10");
	frame_of(&to_dmz, LAN, "203.0.113.10");
	frame_of(&from_wan, WAN, "192.0.2.10");
	begin_change(b, 1400);
	ck_assert_uint_eq(driver.n_stops, 0); /* workers have not let go yet */
	bench_send(b, LAN, &to_wan);
	bench_send(b, LAN, &to_dmz);
	bench_send(b, WAN, &from_wan); /* waits in the device */
	bench_run(b);
	drops_expect(b, &drops, "link_down", 1);
	ck_assert_uint_eq(bench_count(b, DMZ), 1);
	ck_assert_uint_eq(bench_count(b, LAN), 1);
	ck_assert_uint_eq(driver.n_stops, 1);
	expect_link(b, 1400, "UP");
	expect_traffic_both_ways(b);
	bench_destroy(b);
}
END_TEST

START_TEST(neighbours_and_routes_stay_as_they_are)
{
	struct bench *b = mtu_start();

	bench_learn(b, WAN, "198.51.100.20", PEER_MAC);
	begin_change(b, 1400);
	bench_run(b);
	expect_link(b, 1400, "UP");
	ck_assert_str_eq(bench_neigh(b, "198.51.100.20"), "STALE");
	bench_destroy(b);
}
END_TEST

START_TEST(a_port_that_does_not_start_with_the_new_mtu_gets_the_old_one_back)
{
	struct bench *b = mtu_start();
	struct client *client = bench_connect(b);
	json_t *answer;

	driver.n_failures = 1;
	bench_write(client,
		"{\"jsonrpc\": \"2.0\", \"id\": 1, \"method\": \"link.set\", "
		"\"params\": {\"dev\": \"wan\", \"mtu\": 1400, \"state\": \"down\"}}\n");
	answer = bench_read(b, client);
	ck_assert_ptr_nonnull(strstr(json_text_at(answer, "error.message"), "MTU 1400"));
	json_decref(answer);
	expect_link(b, 1500, "UP");
	expect_traffic_both_ways(b);
	client_close(client);
	bench_destroy(b);
}
END_TEST

START_TEST(a_port_that_does_not_start_again_has_no_carrier_until_it_does)
{
	struct bench *b = mtu_start();
	struct frame frame;

	driver.n_failures = 2;
	begin_change(b, 1400);
	bench_advance(b, 1000);
	expect_link(b, 1500, "DOWN");
	frame_of(&frame, LAN, "198.51.100.10");
	bench_push(b, LAN, &frame);
	ck_assert_uint_eq(bench_count(b, WAN), 0);
	bench_discard(b);
	begin_change(b, 1300);
	bench_advance(b, 1000);
	expect_link(b, 1300, "UP");
	bench_discard(b);
	expect_traffic_both_ways(b);
	bench_destroy(b);
}
END_TEST

START_TEST(one_change_of_a_link_at_a_time)
{
	struct bench *b = mtu_start();

	begin_change(b, 1400);
	bench_expect_error(b, "link.set", "{\"dev\": \"wan\", \"mtu\": 1300}", "is being changed");
	bench_run(b);
	expect_link(b, 1400, "UP");
	bench_destroy(b);
}
END_TEST

START_TEST(the_state_is_set_once_the_mtu_is)
{
	struct bench *b = mtu_start();

	free(bench_call_error(
		b, "link.set", "{\"dev\": \"wan\", \"mtu\": 1400, \"state\": \"down\"}"));
	bench_run(b);
	expect_link(b, 1400, "DOWN");
	bench_destroy(b);
}
END_TEST

START_TEST(a_change_that_is_under_way_at_the_end_is_given_up)
{
	struct bench *b = mtu_start();

	begin_change(b, 1400);
	driver.is_over = true;
	bench_destroy(b);
	/* Once each, to close it; the six ports that no link has come on top. */
	ck_assert_uint_eq(driver.n_stops, BENCH_PORTS);
}
END_TEST

PACKET_MAIN("mtu", PLAIN_TEST(a_port_that_must_stop_for_it_is_stopped_and_comes_back),
	PLAIN_TEST(everything_else_goes_on_while_a_port_is_stopped),
	PLAIN_TEST(neighbours_and_routes_stay_as_they_are),
	PLAIN_TEST(a_port_that_does_not_start_with_the_new_mtu_gets_the_old_one_back),
	PLAIN_TEST(a_port_that_does_not_start_again_has_no_carrier_until_it_does),
	PLAIN_TEST(one_change_of_a_link_at_a_time), PLAIN_TEST(the_state_is_set_once_the_mtu_is),
	PLAIN_TEST(a_change_that_is_under_way_at_the_end_is_given_up))
