/* SPDX-License-Identifier: BSD-3-Clause */

/* LACP among loops, floods, lies and people who pull out cables. */
#include "lacp_fixture.h"

static struct lacp_pdu random_pdu(void)
{
	struct lacp_pdu pdu;

	for (unsigned int i = 0; i < sizeof(pdu); i++)
		((uint8_t *)&pdu)[i] = (uint8_t)rand();
	/* Few enough of each that some of them meet. */
	pdu.actor.system = (struct mac_addr){ { 2, 0, 0, 0, 1, (uint8_t)(rand() % 8) } };
	pdu.actor.key = (uint16_t)(rand() % 4);
	return pdu;
}

START_TEST(looped_ports_do_not_aggregate)
{
	world_init(true);
	wire(end_of(A, 0), end_of(A, 0), &ten_gbit);
	wire(end_of(A, 1), end_of(A, 2), &ten_gbit);
	for (unsigned int i = 0; i < 2000; i++) {
		world_step();
		require(distributing(A) == 0, "no traffic in a loop");
	}
	for (unsigned int i = 0; i < 3; i++) {
		ck_assert_int_eq(port_of(A, i)->rx, LACP_RX_DEFAULTED);
		ck_assert_uint_gt(port_of(A, i)->counters.n_looped, 10);
		ck_assert_uint_eq(port_of(A, i)->counters.n_rx, 0);
	}
	/* A partner that turns into a loop is lost like one that falls silent. */
	wire(end_of(A, 3), end_of(B, 0), &ten_gbit);
	run_until(A, 8, 3000);
	end_of(A, 3)->peer = end_of(A, 3);
	end_of(B, 0)->peer = NULL;
	run_until(A, 0, 3100);
}
END_TEST

START_TEST(flood_of_lies_is_answered_three_times_a_second)
{
	unsigned int before;

	srand(1);
	world_init(true);
	wire_pair(2);
	run_until(A, 3, 3000);
	end_of(A, 0)->peer = NULL;
	before = end_of(A, 0)->n_sent;
	for (unsigned int i = 0; i < 1000; i++) {
		for (unsigned int j = 0; j < 100; j++) {
			struct lacp_pdu pdu = random_pdu();

			deliver(end_of(A, 0), &pdu);
		}
		/* Asserts the limit, and that no aggregator is lost. */
		world_step();
		require(distributing(A) == 2, "the other port works on");
	}
	ck_assert_uint_le(end_of(A, 0)->n_sent - before, 33);
	ck_assert_uint_ge(end_of(A, 0)->n_sent - before, 20);
	/* The truth is believed again as soon as it is heard alone. */
	end_of(A, 0)->peer = end_of(B, 0);
	run_until(A, 3, 5000);
	run_until(B, 3, 1000);
}
END_TEST

static enum lacp_input input(struct lacp_port *port, uint8_t *bytes, size_t len)
{
	enum lacp_error error;
	enum lacp_input result = lacp_port_input(port, bytes, len, world.now_ns, &error);

	ck_assert_int_eq(result == LACP_INPUT_BAD, error != LACP_OK);
	return result;
}

START_TEST(markers_are_answered_three_times_a_second)
{
	struct lacp_port *port = port_of(A, 0);
	unsigned int n_answers = 0;

	world_init(true);
	for (unsigned int i = 0; i < 200; i++) {
		uint8_t bytes[LACP_PDU_LEN] = { 2, 1, 1, 16, 0, 9 };

		if (i == 10)
			set_line(end_of(A, 0), &ten_gbit);
		world_step();
		if (input(port, bytes, sizeof(bytes)) != LACP_INPUT_ANSWER) {
			ck_assert_uint_eq(bytes[2], 1);
			continue;
		}
		ck_assert_uint_ge(i, 10);
		ck_assert_uint_eq(bytes[2], 2);
		ck_assert_uint_eq(bytes[5], 9);
		n_answers++;
	}
	ck_assert_uint_eq(n_answers, 6);
	ck_assert_uint_eq(port->counters.n_markers, 200);
	ck_assert_uint_eq(port->counters.n_marker_answers, 6);
}
END_TEST

START_TEST(payloads_are_told_apart_and_counted)
{
	struct lacp_port *port = port_of(A, 0);
	uint8_t response[LACP_PDU_LEN] = { 2, 1, 2, 16 }, foreign[] = { 3, 1 }, bad[] = { 1, 1 };
	uint8_t version_0[LACP_PDU_LEN] = { 2, 0, 1, 16 };

	world_init(true);
	set_line(end_of(A, 0), &ten_gbit);
	ck_assert_int_eq(input(port, foreign, sizeof(foreign)), LACP_INPUT_FOREIGN);
	ck_assert_uint_eq(port->counters.n_bad, 0);
	ck_assert_int_eq(input(port, bad, sizeof(bad)), LACP_INPUT_BAD);
	ck_assert_int_eq(input(port, bad, 0), LACP_INPUT_BAD);
	ck_assert_int_eq(input(port, version_0, sizeof(version_0)), LACP_INPUT_BAD);
	ck_assert_uint_eq(port->counters.n_bad, 3);
	ck_assert_int_eq(input(port, response, sizeof(response)), LACP_INPUT_DONE);
	ck_assert_uint_eq(port->counters.n_marker_responses, 1);
	ck_assert_uint_eq(port->counters.n_rx, 0);
	ck_assert_int_eq(port->rx, LACP_RX_EXPIRED);
}
END_TEST

/* Whatever is done to a random wire, for a minute. */
static void random_event(void)
{
	struct end *end = end_of((unsigned int)rand() % N_SYSTEMS, (unsigned int)rand() % N_PORTS);
	struct end *other =
		end_of((unsigned int)rand() % N_SYSTEMS, (unsigned int)rand() % N_PORTS);
	struct lacp_pdu pdu = random_pdu();

	switch (rand() % 5) {
	case 0:
		unwire(end);
		break;
	case 1:
		unwire(end);
		unwire(other);
		wire(end, other, rand() % 4 == 0 ? &one_gbit : &ten_gbit);
		break;
	case 2:
		end->is_mute = !end->is_mute;
		break;
	case 3:
		deliver(end, &pdu);
		break;
	case 4:
		set_line(end, rand() % 2 == 0 ? &no_line : &ten_gbit);
		break;
	}
}

static const unsigned int seeds[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };

START_TEST(after_any_turmoil_what_is_wired_together_comes_up)
{
	world_init(true);
	srand(seeds[_i]);
	for (unsigned int i = 0; i < 300; i++) {
		random_event();
		world_run((uint64_t)(rand() % 50) * STEP_MS);
	}
	for (unsigned int i = 0; i < N_SYSTEMS * N_PORTS; i++) {
		unwire(&world.ends[i / N_PORTS][i % N_PORTS]);
		world.ends[i / N_PORTS][i % N_PORTS].is_mute = false;
	}
	wire_pair(N_PORTS);
	run_until(A, 15, 10000);
	run_until(B, 15, 1000);
	world_run(10000);
	ck_assert_uint_eq(distributing(A), 15);
	ck_assert_uint_eq(distributing(B), 15);
}
END_TEST

SUITE_MAIN("lacp_hostile", PLAIN_TEST(looped_ports_do_not_aggregate),
	PLAIN_TEST(flood_of_lies_is_answered_three_times_a_second),
	PLAIN_TEST(markers_are_answered_three_times_a_second),
	PLAIN_TEST(payloads_are_told_apart_and_counted),
	LOOP_TEST(after_any_turmoil_what_is_wired_together_comes_up, seeds))
