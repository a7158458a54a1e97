/* SPDX-License-Identifier: BSD-3-Clause */

/* LACPDUs and Marker PDUs as bytes (lib/link/lacp_pdu.h). */
#include "link/lacp_pdu.h"

#include "suite.h"

/*
 * As scapy 2.5.0 writes it: bytes(SlowProtocol() / LACP(actor_system_priority=0x8000,
 * actor_system="02:00:00:00:00:01", actor_key=0x1122, actor_port_priority=0xff, actor_port_number=3,
 * actor_state=0x3d, partner_system_priority=0x7fff, partner_system="02:00:00:00:00:02",
 * partner_key=0x3344, partner_port_priority=0x80, partner_port_number=0x102, partner_state=0x3c,
 * collector_max_delay=5)). The rest is zero.
 */
static const uint8_t lacp_bytes[LACP_PDU_LEN] = { 0x01, 0x01, 0x01, 0x14, 0x80, 0x00, 0x02, 0x00,
	0x00, 0x00, 0x00, 0x01, 0x11, 0x22, 0x00, 0xff, 0x00, 0x03, 0x3d, 0x00, 0x00, 0x00, 0x02,
	0x14, 0x7f, 0xff, 0x02, 0x00, 0x00, 0x00, 0x00, 0x02, 0x33, 0x44, 0x00, 0x80, 0x01, 0x02,
	0x3c, 0x00, 0x00, 0x00, 0x03, 0x10, 0x00, 0x05 };

static const struct lacp_pdu lacp_fields = {
	.actor = { .system = { { 2, 0, 0, 0, 0, 1 } },
		.system_priority = 0x8000,
		.key = 0x1122,
		.port_priority = 0xff,
		.port = 3,
		.state = 0x3d },
	.partner = { .system = { { 2, 0, 0, 0, 0, 2 } },
		.system_priority = 0x7fff,
		.key = 0x3344,
		.port_priority = 0x80,
		.port = 0x102,
		.state = 0x3c },
	.collector_max_delay = 5,
};

/*
 * The same of SlowProtocol() / MarkerProtocol(marker_type=1, requester_port=3,
 * requester_system="02:00:00:00:00:01", requester_transaction_id=0xdeadbeef).
 */
static const uint8_t marker_bytes[LACP_PDU_LEN] = { 0x02, 0x01, 0x01, 0x10, 0x00, 0x03, 0x02, 0x00,
	0x00, 0x00, 0x00, 0x01, 0xde, 0xad, 0xbe, 0xef };

static void assert_info(const struct lacp_info *got, const struct lacp_info *want)
{
	ck_assert_mem_eq(&got->system, &want->system, sizeof(want->system));
	ck_assert_uint_eq(got->system_priority, want->system_priority);
	ck_assert_uint_eq(got->key, want->key);
	ck_assert_uint_eq(got->port_priority, want->port_priority);
	ck_assert_uint_eq(got->port, want->port);
	ck_assert_uint_eq(got->state, want->state);
}

START_TEST(lacpdu_is_read_field_by_field)
{
	struct lacp_pdu pdu;

	ck_assert_int_eq(lacp_pdu_parse(lacp_bytes, sizeof(lacp_bytes), &pdu), LACP_OK);
	assert_info(&pdu.actor, &lacp_fields.actor);
	assert_info(&pdu.partner, &lacp_fields.partner);
	ck_assert_uint_eq(pdu.collector_max_delay, 5);
}
END_TEST

START_TEST(lacpdu_is_written_byte_by_byte)
{
	uint8_t bytes[LACP_PDU_LEN];

	memset(bytes, 0xa5, sizeof(bytes));
	lacp_pdu_build(&lacp_fields, bytes);
	ck_assert_mem_eq(bytes, lacp_bytes, sizeof(bytes));
}
END_TEST

/* One byte of the good LACPDU is another, or the end is missing. */
static const struct {
	unsigned int at;
	uint8_t byte;
	size_t len;
	enum lacp_error want;
} lacp_rows[] = {
	{ 0, 1, LACP_PDU_LEN, LACP_OK }, { 0, 1, LACP_PDU_LEN + 14, LACP_OK },
	{ 0, 1, LACP_PDU_LEN - 1, LACP_ERROR_TRUNCATED }, { 0, 1, 1, LACP_ERROR_TRUNCATED },
	{ 0, 1, 0, LACP_ERROR_TRUNCATED }, { 0, 0, LACP_PDU_LEN, LACP_ERROR_SUBTYPE },
	{ 0, 2, LACP_PDU_LEN, LACP_ERROR_SUBTYPE }, { 0, 10, 1, LACP_ERROR_SUBTYPE },
	{ 1, 0, LACP_PDU_LEN, LACP_ERROR_VERSION }, { 1, 2, LACP_PDU_LEN, LACP_OK },
	{ 1, 255, LACP_PDU_LEN, LACP_OK }, { 2, 2, LACP_PDU_LEN, LACP_ERROR_ACTOR_TLV },
	{ 3, 19, LACP_PDU_LEN, LACP_ERROR_ACTOR_TLV },
	{ 3, 255, LACP_PDU_LEN, LACP_ERROR_ACTOR_TLV },
	{ 19, 0xff, LACP_PDU_LEN, LACP_OK }, /* reserved */
	{ 22, 1, LACP_PDU_LEN, LACP_ERROR_PARTNER_TLV },
	{ 23, 0, LACP_PDU_LEN, LACP_ERROR_PARTNER_TLV },
	{ 41, 0xff, LACP_PDU_LEN, LACP_OK }, /* reserved */
	{ 42, 0, LACP_PDU_LEN, LACP_ERROR_COLLECTOR_TLV },
	{ 43, 20, LACP_PDU_LEN, LACP_ERROR_COLLECTOR_TLV },
	{ 57, 0xff, LACP_PDU_LEN, LACP_OK }, /* reserved */
	{ 58, 4, LACP_PDU_LEN, LACP_ERROR_TERMINATOR_TLV },
	{ 59, 1, LACP_PDU_LEN, LACP_ERROR_TERMINATOR_TLV },
	{ 109, 0xff, LACP_PDU_LEN, LACP_OK }, /* reserved */
};

START_TEST(lacpdu_with_a_wrong_byte_is_refused_by_name)
{
	/* On the heap, of its exact size: sanitizers see a byte read too many. */
	uint8_t *bytes = calloc(1, lacp_rows[_i].len);
	uint8_t whole[LACP_PDU_LEN + 14] = { 0 };
	struct lacp_pdu pdu = { .collector_max_delay = 0x5a5a };

	memcpy(whole, lacp_bytes, sizeof(lacp_bytes));
	whole[lacp_rows[_i].at] = lacp_rows[_i].byte;
	if (lacp_rows[_i].len > 0)
		memcpy(bytes, whole, lacp_rows[_i].len);
	ck_assert_int_eq(lacp_pdu_parse(bytes, lacp_rows[_i].len, &pdu), lacp_rows[_i].want);
	ck_assert_uint_eq(pdu.collector_max_delay, lacp_rows[_i].want == LACP_OK ? 5 : 0x5a5a);
	free(bytes);
}
END_TEST

START_TEST(newer_version_may_have_more_tlvs)
{
	uint8_t bytes[LACP_PDU_LEN];
	struct lacp_pdu pdu;

	memcpy(bytes, lacp_bytes, sizeof(bytes));
	bytes[1] = 2;
	bytes[58] = 4; /* Port Algorithm TLV, 802.1AX-2014 */
	bytes[59] = 6;
	ck_assert_int_eq(lacp_pdu_parse(bytes, sizeof(bytes), &pdu), LACP_OK);
	assert_info(&pdu.actor, &lacp_fields.actor);
}
END_TEST

static const struct {
	unsigned int at;
	uint8_t byte;
	size_t len;
	enum lacp_error want;
	bool is_response;
} marker_rows[] = {
	{ 2, 1, LACP_PDU_LEN, LACP_OK, false },
	{ 2, 2, LACP_PDU_LEN, LACP_OK, true },
	{ 1, 7, LACP_PDU_LEN, LACP_OK, false },
	{ 0, 2, LACP_PDU_LEN - 1, LACP_ERROR_TRUNCATED, false },
	{ 0, 2, 0, LACP_ERROR_TRUNCATED, false },
	{ 0, 1, LACP_PDU_LEN, LACP_ERROR_SUBTYPE, false },
	{ 1, 0, LACP_PDU_LEN, LACP_ERROR_VERSION, false },
	{ 2, 0, LACP_PDU_LEN, LACP_ERROR_MARKER_TLV, false },
	{ 2, 3, LACP_PDU_LEN, LACP_ERROR_MARKER_TLV, false },
	{ 3, 15, LACP_PDU_LEN, LACP_ERROR_MARKER_TLV, false },
};

START_TEST(marker_pdu_is_checked)
{
	uint8_t bytes[LACP_PDU_LEN];
	bool is_response = false;

	memcpy(bytes, marker_bytes, sizeof(bytes));
	bytes[marker_rows[_i].at] = marker_rows[_i].byte;
	ck_assert_int_eq(
		lacp_marker_parse(bytes, marker_rows[_i].len, &is_response), marker_rows[_i].want);
	ck_assert_int_eq(is_response, marker_rows[_i].is_response);
}
END_TEST

START_TEST(marker_response_is_the_marker_with_another_type)
{
	uint8_t bytes[LACP_PDU_LEN], want[LACP_PDU_LEN];
	bool is_response;

	memcpy(bytes, marker_bytes, sizeof(bytes));
	bytes[16] = bytes[109] = 0x77; /* pad and reserved come back as well */
	memcpy(want, bytes, sizeof(want));
	want[2] = 2;
	lacp_marker_respond(bytes);
	ck_assert_mem_eq(bytes, want, sizeof(want));
	ck_assert_int_eq(lacp_marker_parse(bytes, sizeof(bytes), &is_response), LACP_OK);
	ck_assert(is_response);
}
END_TEST

START_TEST(every_error_has_a_text_of_its_own)
{
	for (unsigned int i = 0; i < LACP_N_ERRORS; i++)
		for (unsigned int j = 0; j < i; j++)
			ck_assert_str_ne(lacp_error_text(i), lacp_error_text(j));
}
END_TEST

SUITE_MAIN("lacp_pdu", PLAIN_TEST(lacpdu_is_read_field_by_field),
	PLAIN_TEST(lacpdu_is_written_byte_by_byte),
	LOOP_TEST(lacpdu_with_a_wrong_byte_is_refused_by_name, lacp_rows),
	PLAIN_TEST(newer_version_may_have_more_tlvs), LOOP_TEST(marker_pdu_is_checked, marker_rows),
	PLAIN_TEST(marker_response_is_the_marker_with_another_type),
	PLAIN_TEST(every_error_has_a_text_of_its_own))
