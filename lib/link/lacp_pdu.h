/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * LACPDUs and Marker PDUs on the wire (IEEE 802.1AX-2008 5.4.2 and 5.5). Both are Slow Protocols
 * (IEEE 802.3 Annex 57A): EtherType 0x8809, to a multicast address that no bridge forwards, the
 * first byte of the payload says which. "Payload" is what lies behind the EtherType, here and in
 * all functions. No state, no allocation, any thread.
 */
#include <assert.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

enum {
	LACP_ETHER_TYPE = 0x8809,
	LACP_SUBTYPE = 1,
	LACP_SUBTYPE_MARKER = 2,
	LACP_VERSION = 1,
	LACP_PDU_LEN = 110, /* bytes of payload, of both kinds */
};

/* Slow_Protocols_Multicast (802.3 Annex 57A.3): where all of these go. */
static const struct mac_addr lacp_destination = { { 0x01, 0x80, 0xc2, 0x00, 0x00, 0x02 } };

/* Bits of Actor_State and Partner_State (802.1AX-2008 5.4.2.2). */
enum lacp_state {
	LACP_STATE_ACTIVITY = 1 << 0,	     /* set: Active LACP, clear: Passive */
	LACP_STATE_TIMEOUT = 1 << 1,	     /* set: Short Timeout, clear: Long */
	LACP_STATE_AGGREGATION = 1 << 2,     /* clear: Individual */
	LACP_STATE_SYNCHRONIZATION = 1 << 3, /* on the right aggregator */
	LACP_STATE_COLLECTING = 1 << 4,
	LACP_STATE_DISTRIBUTING = 1 << 5,
	LACP_STATE_DEFAULTED = 1 << 6, /* knows its partner from defaults only */
	LACP_STATE_EXPIRED = 1 << 7,
};

struct lacp_info_wire {
	uint8_t type; /* 1: Actor Information, 2: Partner Information */
	uint8_t length;
	uint8_t system_priority[2]; /* all numbers are big-endian */
	uint8_t system[6];
	uint8_t key[2];
	uint8_t port_priority[2];
	uint8_t port[2];
	uint8_t state;
	uint8_t reserved[3];
};
static_assert(sizeof(struct lacp_info_wire) == 20, "its own length field says so");

struct lacp_pdu_wire {
	uint8_t subtype;
	uint8_t version;
	struct lacp_info_wire actor;
	struct lacp_info_wire partner;
	uint8_t collector_type; /* 3 */
	uint8_t collector_length;
	uint8_t collector_max_delay[2]; /* tens of microseconds */
	uint8_t collector_reserved[12];
	uint8_t terminator_type; /* 0 */
	uint8_t terminator_length;
	uint8_t reserved[50];
};
static_assert(sizeof(struct lacp_pdu_wire) == LACP_PDU_LEN, "802.1AX-2008 5.4.2.2");
static_assert(offsetof(struct lacp_pdu_wire, terminator_type) == 58, "802.1AX-2008 5.4.2.2");

struct lacp_marker_wire {
	uint8_t subtype;
	uint8_t version;
	uint8_t type; /* 1: Marker Information, 2: Marker Response Information */
	uint8_t length;
	uint8_t requester_port[2];
	uint8_t requester_system[6];
	uint8_t requester_transaction_id[4];
	uint8_t pad[2];
	uint8_t terminator_type; /* 0 */
	uint8_t terminator_length;
	uint8_t reserved[90];
};
static_assert(sizeof(struct lacp_marker_wire) == LACP_PDU_LEN, "802.1AX-2008 5.5");

/* What one end says of one port: all in host order. */
struct lacp_info {
	struct mac_addr system;
	uint16_t system_priority;
	uint16_t key;
	uint16_t port_priority;
	uint16_t port;
	uint8_t state; /* of enum lacp_state */
};

struct lacp_pdu {
	struct lacp_info actor;	  /* who sent it */
	struct lacp_info partner; /* what the sender thinks that we are */
	uint16_t collector_max_delay;
};

/* What is wrong with a payload, first thing first. */
enum lacp_error {
	LACP_OK,
	LACP_ERROR_TRUNCATED,
	LACP_ERROR_SUBTYPE,
	LACP_ERROR_VERSION,
	LACP_ERROR_ACTOR_TLV,
	LACP_ERROR_PARTNER_TLV,
	LACP_ERROR_COLLECTOR_TLV,
	LACP_ERROR_TERMINATOR_TLV,
	LACP_ERROR_MARKER_TLV,
	LACP_N_ERRORS
};

const char *lacp_error_text(enum lacp_error error);

/*
 * Reads an LACPDU. Newer versions are read as version 1: they keep its three TLVs where they are
 * and put their own behind (802.1AX-2014 and later). On an error *out is not touched.
 */
enum lacp_error lacp_pdu_parse(const uint8_t *payload, size_t len, struct lacp_pdu *out);

/* Writes one of version 1. */
void lacp_pdu_build(const struct lacp_pdu *pdu, uint8_t payload[static LACP_PDU_LEN]);

/* Checks a Marker PDU; *is_response tells the two kinds apart. On an error it is not touched. */
enum lacp_error lacp_marker_parse(const uint8_t *payload, size_t len, bool *is_response);

/*
 * Turns a Marker PDU that lacp_marker_parse() has let pass into the response to it, in place: the
 * Marker Responder of 802.1AX-2008 5.5. Addresses are the caller's.
 */
void lacp_marker_respond(uint8_t payload[static LACP_PDU_LEN]);
