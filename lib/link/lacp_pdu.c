/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The wire format of LACP and of the Marker protocol. Pure functions: bytes to structs and back.
 * lacp.c calls them on the control thread.
 *
 * A payload may be longer than a PDU (Ethernet pads, newer versions add TLVs), never shorter: both
 * kinds have a fixed size. Subtype, version and the types and lengths of TLVs are checked before a
 * field is read; what the standard reserves is ignored when read and zero when written. Whether
 * what a PDU says makes sense is a question for the machines.
 */
#include "link/lacp_pdu.h"

#include <string.h>

enum {
	TLV_TERMINATOR = 0,
	TLV_ACTOR = 1,
	TLV_PARTNER = 2,
	TLV_COLLECTOR = 3,
	TLV_COLLECTOR_LEN = 16,
	TLV_MARKER_INFORMATION = 1,
	TLV_MARKER_RESPONSE = 2,
	TLV_MARKER_LEN = 16,
};

static uint16_t get_be16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static void put_be16(uint8_t *at, uint16_t value)
{
	at[0] = (uint8_t)(value >> 8);
	at[1] = (uint8_t)value;
}

static struct lacp_info info_read(const struct lacp_info_wire *wire)
{
	struct lacp_info info = {
		.system_priority = get_be16(wire->system_priority),
		.key = get_be16(wire->key),
		.port_priority = get_be16(wire->port_priority),
		.port = get_be16(wire->port),
		.state = wire->state,
	};

	memcpy(info.system.bytes, wire->system, sizeof(wire->system));
	return info;
}

static void info_write(const struct lacp_info *info, uint8_t type, struct lacp_info_wire *wire)
{
	wire->type = type;
	wire->length = sizeof(*wire);
	put_be16(wire->system_priority, info->system_priority);
	memcpy(wire->system, info->system.bytes, sizeof(wire->system));
	put_be16(wire->key, info->key);
	put_be16(wire->port_priority, info->port_priority);
	put_be16(wire->port, info->port);
	wire->state = info->state;
}

static bool info_is(const struct lacp_info_wire *wire, uint8_t type)
{
	return wire->type == type && wire->length == sizeof(*wire);
}

static enum lacp_error pdu_check(const struct lacp_pdu_wire *wire)
{
	if (wire->version < LACP_VERSION)
		return LACP_ERROR_VERSION;
	if (!info_is(&wire->actor, TLV_ACTOR))
		return LACP_ERROR_ACTOR_TLV;
	if (!info_is(&wire->partner, TLV_PARTNER))
		return LACP_ERROR_PARTNER_TLV;
	if (wire->collector_type != TLV_COLLECTOR || wire->collector_length != TLV_COLLECTOR_LEN)
		return LACP_ERROR_COLLECTOR_TLV;
	/* From version 2 on more TLVs follow here, and the terminator is behind them. */
	if (wire->version == LACP_VERSION &&
		(wire->terminator_type != TLV_TERMINATOR || wire->terminator_length != 0))
		return LACP_ERROR_TERMINATOR_TLV;
	return LACP_OK;
}

enum lacp_error lacp_pdu_parse(const uint8_t *payload, size_t len, struct lacp_pdu *out)
{
	struct lacp_pdu_wire wire;
	enum lacp_error error;

	if (len >= 1 && payload[0] != LACP_SUBTYPE)
		return LACP_ERROR_SUBTYPE;
	if (len < sizeof(wire))
		return LACP_ERROR_TRUNCATED;
	memcpy(&wire, payload, sizeof(wire));
	error = pdu_check(&wire);
	if (error != LACP_OK)
		return error;
	*out = (struct lacp_pdu){
		.actor = info_read(&wire.actor),
		.partner = info_read(&wire.partner),
		.collector_max_delay = get_be16(wire.collector_max_delay),
	};
	return LACP_OK;
}

void lacp_pdu_build(const struct lacp_pdu *pdu, uint8_t payload[static LACP_PDU_LEN])
{
	struct lacp_pdu_wire wire = {
		.subtype = LACP_SUBTYPE,
		.version = LACP_VERSION,
		.collector_type = TLV_COLLECTOR,
		.collector_length = TLV_COLLECTOR_LEN,
	};

	info_write(&pdu->actor, TLV_ACTOR, &wire.actor);
	info_write(&pdu->partner, TLV_PARTNER, &wire.partner);
	put_be16(wire.collector_max_delay, pdu->collector_max_delay);
	memcpy(payload, &wire, sizeof(wire));
}

enum lacp_error lacp_marker_parse(const uint8_t *payload, size_t len, bool *is_response)
{
	struct lacp_marker_wire wire;

	if (len >= 1 && payload[0] != LACP_SUBTYPE_MARKER)
		return LACP_ERROR_SUBTYPE;
	if (len < sizeof(wire))
		return LACP_ERROR_TRUNCATED;
	memcpy(&wire, payload, sizeof(wire));
	if (wire.version < LACP_VERSION)
		return LACP_ERROR_VERSION;
	if (wire.length != TLV_MARKER_LEN ||
		(wire.type != TLV_MARKER_INFORMATION && wire.type != TLV_MARKER_RESPONSE))
		return LACP_ERROR_MARKER_TLV;
	*is_response = wire.type == TLV_MARKER_RESPONSE;
	return LACP_OK;
}

void lacp_marker_respond(uint8_t payload[static LACP_PDU_LEN])
{
	/* 802.1AX-2008 5.5: the requester's fields come back as they were, pad and all. */
	payload[offsetof(struct lacp_marker_wire, type)] = TLV_MARKER_RESPONSE;
}

static const char *const error_texts[LACP_N_ERRORS] = {
	[LACP_OK] = "no error",
	[LACP_ERROR_TRUNCATED] = "truncated",
	[LACP_ERROR_SUBTYPE] = "unknown subtype",
	[LACP_ERROR_VERSION] = "version 0",
	[LACP_ERROR_ACTOR_TLV] = "bad actor information",
	[LACP_ERROR_PARTNER_TLV] = "bad partner information",
	[LACP_ERROR_COLLECTOR_TLV] = "bad collector information",
	[LACP_ERROR_TERMINATOR_TLV] = "bad terminator",
	[LACP_ERROR_MARKER_TLV] = "bad marker information",
};

const char *lacp_error_text(enum lacp_error error)
{
	return error_texts[error];
}
