/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/*
 * Shared by the files of lib/neigh only: the control thread's table, the workers' state, and the
 * mail between them.
 */
#include <rte_arp.h>
#include <sys/queue.h>

#include "dp/conf.h"
#include "neigh/nud.h"

/* What a neighbour is found by: on the control thread, in the workers' queues and in mail. */
struct neigh_key {
	struct ip_addr addr;
	uint16_t link;
	uint16_t ns;
};
static_assert(sizeof(struct neigh_key) == 24, "three arguments of a mail, hashed without padding");

struct neigh_entry {
	struct nud_entry nud; /* first: callbacks of the state machine get this */
	struct neigh_entry *hash_next;
	TAILQ_ENTRY(neigh_entry) all;
	SLIST_ENTRY(neigh_entry) reap;
	bool is_counted; /* in n_counted of the table */
	bool is_reaped;	 /* on the list to be looked at for removal */
};
TAILQ_HEAD(neigh_entries, neigh_entry);

/* What the control thread keeps per adjacency index. */
struct adj_slot {
	struct neigh_entry *owner; /* NULL: free, or a glean adjacency */
	uint32_t next_free;
	uint64_t freed_ns;
};

/* The index of a family in tables by family. */
enum neigh_family { NEIGH_IP4, NEIGH_IP6, NEIGH_N_FAMILIES };

static inline enum neigh_family neigh_family(uint8_t family)
{
	return family == AF_INET6 ? NEIGH_IP6 : NEIGH_IP4;
}

/* What the control thread keeps per link. */
struct neigh_link {
	uint32_t glean[NEIGH_N_FAMILIES]; /* indexes of the glean adjacencies; 0: none */
	uint32_t n_glean_refs[NEIGH_N_FAMILIES];
	struct mac_addr mac; /* as last seen, to notice a change */
	bool was_ready;	     /* up with a carrier, as last seen */
	uint64_t defended_ns;
};

/* Our IPv4 addresses as ARP sees them. Immutable; published by pointer, retired through RCU. */
struct arp_own {
	uint32_t n;
	struct arp_own_row {
		uint32_t addr_be;
		uint16_t link;
		uint16_t ns;
	} rows[]; /* sorted by addr_be as an integer */
};

enum { NEIGH_HASH_SIZE = 4096, NEIGH_GC_PERIOD_S = 5 };

/* The module's state on the control thread (dp_slot()). Workers read what is marked so. */
struct neigh_table {
	struct neigh_sysctl sysctl;    /* workers: unres_qlen */
	struct adj *adjs;	       /* workers */
	_Atomic(struct arp_own *) own; /* workers; stored with release, pairs with their acquire */
	/*
	 * Counts what may make a repeated frame news again (a probe sent, an entry removed):
	 * workers compare it with what they saw when they last told. Relaxed: only a hint.
	 */
	_Atomic uint32_t heard_epoch;

	struct nud nud;
	struct neigh_entries all;
	SLIST_HEAD(, neigh_entry) reaped;
	TAILQ_HEAD(, dad) dads; /* dad.c: addresses of ours that are being probed for */
	uint32_t n_counted;	/* entries that gc_thresh1 and 3 count: no route's, not PERMANENT */
	uint32_t hash_seed;
	uint64_t gc_ns, forced_gc_ns, hold_age_ns; /* when these were last done */
	struct neigh_link *links;		   /* LINK_MAX */

	struct adj_slot *slots; /* ADJ_MAX */
	void *adj_map;
	uint32_t n_adjs; /* indexes that were ever used */
	uint32_t free_head, free_tail;
	struct neigh_entry *hash[NEIGH_HASH_SIZE];
};

/* adj.c: the array of adjacencies. Control thread. */
int adj_init(struct neigh_table *table);
void adj_fini(struct neigh_table *table);
/* Takes an index and fills all of it but the header. -ENOSPC. */
int adj_alloc(struct dp *dp, enum adj_kind kind, const struct link *link,
	const struct neigh_key *key, struct neigh_entry *owner, uint32_t *out);
/* Gives the index back, to be used again when no worker can know it any more. */
void adj_retire(struct dp *dp, uint32_t index);
/* Header and state from the neighbour's, in one store. */
void adj_publish(struct neigh_table *table, const struct neigh *neigh, const struct link *link);
void adj_set_mtu(struct neigh_table *table, uint32_t index, uint16_t mtu);

/* neigh.c. Control thread. */
struct neigh_key neigh_key_make(const struct link *link, const struct ip_addr *addr);
struct neigh_entry *neigh_find(const struct neigh_table *table, const struct neigh_key *key);
/* -ENOBUFS: the table is full. is_limited: gc_thresh3 counts (not for routes and operators). */
int neigh_create(struct dp *dp, const struct link *link, const struct neigh_key *key,
	bool is_limited, struct neigh_entry **out);
/* Back to NONE, and everybody hears of it. What is unreferenced is gone with the next tick. */
void neigh_forget(struct dp *dp, struct neigh_entry *entry);
/* The same, and who waits for it hears that nobody answers. */
void neigh_remove(struct dp *dp, struct neigh_entry *entry);
/* To be called when references or PERMANENT have changed: keeps n_counted and the reap list. */
void neigh_account(struct neigh_table *table, struct neigh_entry *entry);
/* An operator's entry. -EAFNOSUPPORT, -EINVAL, -ENOBUFS. */
int neigh_set(struct dp *dp, const struct link *link, const struct ip_addr *addr,
	const struct mac_addr *lladdr, enum neigh_state state);
/* Why an address can be no neighbour's, as text; NULL: it can. err: -EAFNOSUPPORT or -EINVAL. */
const char *neigh_refuse(const struct ip_addr *addr, int *err);
/* A worker needs a neighbour resolved; a stale adjacency is used (mail). */
void neigh_mail_resolve(void *dp, const struct mail *mail);
void neigh_mail_used(void *dp, const struct mail *mail);

/* Held by nobody, and not forgotten yet. */
static inline bool neigh_is_spare(const struct neigh_entry *entry)
{
	return entry->nud.neigh.n_refs == 0 && entry->nud.neigh.state != NEIGH_NONE;
}

/* neigh_events.c. Control thread: a link or an address has changed. */
void neigh_event(struct dp *dp, enum event_kind kind, const void *subject);

/* arp.c. Control thread. */
void arp_solicit(struct dp *dp, const struct neigh *neigh, bool is_unicast);
void arp_announce_link(struct dp *dp, const struct link *link);
void arp_addr_event(struct dp *dp, const struct ns_addr *addr, bool is_new);
void arp_mail_heard(void *dp, const struct mail *mail);
void arp_fini(struct dp *dp);

enum arp_heard_flag {
	ARP_HEARD_REPLY = 1 << 0,
	ARP_HEARD_FOR_US = 1 << 1,
	ARP_HEARD_GRATUITOUS = 1 << 2,
	ARP_HEARD_UNICAST = 1 << 3,
	ARP_HEARD_CONFLICT = 1 << 4, /* the sender claims an address of ours */
};

/* A frame of ARP or Neighbour Discovery as the control thread gets it. */
struct neigh_heard {
	struct neigh_key key; /* whom it tells of: the sender, or an advertisement's target */
	struct mac_addr mac;
	uint8_t flags; /* enum arp_heard_flag or nd_heard_flag */
	uint8_t pad;
};
static_assert(sizeof(struct neigh_heard) == 32, "four arguments of a mail");

/* heard_stage.c, workers: mails it to fn, unless the same was said just now. */
void heard_tell(struct worker *w, const struct neigh_heard *heard,
	void (*fn)(void *receiver, const struct mail *mail));

/* What becomes of the packets that wait for a neighbour. */
enum hold_verdict {
	HOLD_RELEASE,	 /* resolved: on their way with the adjacency */
	HOLD_FAILED,	 /* nobody answers: host unreachable */
	HOLD_TABLE_FULL, /* the neighbour table is full */
	HOLD_LINK_DOWN,
};

/* hold_stage.c */
enum {
	HOLD_SLOTS = 256,	/* neighbours waited for, per worker */
	HOLD_QUEUE_MAX = 128,	/* highest unres_qlen */
	HOLD_INDEX_SIZE = 1024, /* hash of slots, a quarter full at most */
};

struct hold_slot {
	struct neigh_key key;
	uint64_t told; /* TSC when the control thread was last told */
	uint8_t head, n;
	struct rte_mbuf *pkts[HOLD_QUEUE_MAX]; /* ring from head */
};

struct hold {
	uint32_t n_slots; /* in use: written by the worker, read by the control thread (relaxed) */
	uint32_t n_held, n_held_max;
	uint32_t seed;
	uint32_t stage; /* of neigh_hold, once it has run */
	uint16_t free[HOLD_SLOTS];
	uint16_t index[HOLD_INDEX_SIZE]; /* slot + 1; 0: empty */
	struct hold_slot slots[HOLD_SLOTS];
};

/* Control thread: tells one worker (NULL: all) what becomes of a neighbour's packets. */
void hold_mail_verdict(struct dp *dp, struct worker *w, const struct neigh_key *key,
	enum hold_verdict verdict, uint32_t adj);
/* Control thread: everything that waits for a neighbour on that link is dropped. */
void hold_mail_link_down(struct dp *dp, uint16_t link);
/* Control thread, once a second: workers repeat what may have been lost. */
void hold_mail_age(struct dp *dp);
int hold_worker_init(struct dp *dp, struct worker *w);
void hold_worker_fini(struct dp *dp, struct worker *w);

enum { HEARD_TOLD_SIZE = 256, USE_TOLD_SIZE = 64 };

/* What a worker last told, so as not to repeat itself. Direct-mapped. */
struct heard_told {
	struct neigh_heard heard;
	uint32_t epoch;
	uint64_t at; /* TSC; 0: empty */
};
struct use_told {
	uint32_t adj;
	uint64_t at;
};

/* The module's state on a worker (worker_slot()). Its worker's alone, but for hold.n_slots. */
struct neigh_worker {
	struct hold hold;
	struct heard_told heard_told[HEARD_TOLD_SIZE];
	struct use_told use_told[USE_TOLD_SIZE];
};

/* neigh_ctl.c */
extern const struct section neigh_sections[];
extern const struct command neigh_commands[];
extern const struct sysctl_group neigh_sysctls[];

/* Drop reasons: X(enum, name, help). */
#define NEIGH_DROPS(X)                                                                             \
	X(ARP_TRUNCATED, "arp_truncated", "an ARP frame ended before its last field")              \
	X(ARP_BAD_HARDWARE, "arp_bad_hardware", "an ARP packet was not for Ethernet")              \
	X(ARP_BAD_PROTOCOL, "arp_bad_protocol", "an ARP packet was not for IPv4")                  \
	X(ARP_BAD_LENGTH, "arp_bad_length", "an ARP packet's address lengths were not 6 and 4")    \
	X(ARP_BAD_OPCODE, "arp_bad_opcode", "an ARP packet was neither request nor reply")         \
	X(ARP_BAD_SENDER_MAC, "arp_bad_sender_mac",                                                \
		"an ARP sender's MAC address was zero, broadcast or multicast")                    \
	X(ARP_BAD_SENDER_IP, "arp_bad_sender_ip",                                                  \
		"an ARP sender's IP address was multicast, reserved or loopback, or a reply's "    \
		"was zero")                                                                        \
	X(ARP_CONFLICT, "arp_conflict", "an ARP sender claimed an address of ours (RFC 5227)")     \
	X(ARP_OWN, "arp_own", "an ARP packet of our own came back")                                \
	X(ARP_NOT_FOR_US, "arp_not_for_us",                                                        \
		"an ARP packet asked for, or answered to, somebody else")                          \
	X(ARP_NO_BUFFER, "arp_no_buffer",                                                          \
		"an ARP request in a shared buffer found no free one for its answer")              \
	X(ND_BAD_HOP_LIMIT, "nd_bad_hop_limit",                                                    \
		"neighbour discovery with a hop limit other than 255: from beyond the link")       \
	X(ND_BAD_CODE, "nd_bad_code", "neighbour discovery with an ICMPv6 code other than 0")      \
	X(ND_TRUNCATED, "nd_truncated", "a solicitation or advertisement ended before its target") \
	X(ND_BAD_OPTION, "nd_bad_option",                                                          \
		"an option of neighbour discovery had no length, or a wrong one")                  \
	X(ND_BAD_LLADDR, "nd_bad_lladdr",                                                          \
		"a link-layer address in neighbour discovery was zero, broadcast or multicast")    \
	X(ND_BAD_TARGET, "nd_bad_target", "the target of neighbour discovery was multicast")       \
	X(ND_BAD_SOLICITED, "nd_bad_solicited",                                                    \
		"an advertisement to a group said that it was asked for")                          \
	X(ND_BAD_PROBE, "nd_bad_probe",                                                            \
		"a solicitation from :: had a link-layer address, or went elsewhere than to its "  \
		"target's group")                                                                  \
	X(ND_CONFLICT, "nd_conflict",                                                              \
		"somebody used or advertised an address of ours, or probed for a tentative one")   \
	X(ND_TENTATIVE, "nd_tentative", "a solicitation for an address that is still tentative")   \
	X(ND_OWN, "nd_own", "a message of neighbour discovery of our own came back")               \
	X(ND_NOT_FOR_US, "nd_not_for_us", "a solicitation for somebody else")                      \
	X(ND_NO_BUFFER, "nd_no_buffer",                                                            \
		"a solicitation in a shared buffer found no free one for its answer")              \
	X(ND_ROUTER_SOLICITATION, "nd_router_solicitation",                                        \
		"a host looked for routers; weir does not advertise itself yet")                   \
	X(ND_ROUTER_ADVERTISEMENT, "nd_router_advertisement",                                      \
		"another router advertised itself; a router does not listen to that")              \
	X(ND_REDIRECT, "nd_redirect", "a redirect; a router does not listen to that")              \
	X(NEIGH_QUEUE_FULL, "neigh_queue_full",                                                    \
		"the oldest packet waiting for a neighbour made room for a newer one")             \
	X(NEIGH_NO_SLOT, "neigh_no_slot",                                                          \
		"packets for too many unresolved neighbours were waiting")                         \
	X(NEIGH_HELD_MAX, "neigh_held_max",                                                        \
		"waiting packets already had their share of the packet buffers")                   \
	X(NEIGH_FAILED, "neigh_failed", "the packet's next hop does not answer")                   \
	X(NEIGH_TABLE_FULL, "neigh_table_full",                                                    \
		"the neighbour table had no room for the packet's next hop")                       \
	X(NEIGH_LINK_DOWN, "neigh_link_down",                                                      \
		"the link went down while the packet waited for a neighbour on it")

/* Enum members are NEIGH_DROP_ARP_TRUNCATED and so on. */
#define NEIGH_DROP_ENUM(id, name, help) NEIGH_DROP_##id,
enum neigh_drop { NEIGH_DROPS(NEIGH_DROP_ENUM) NEIGH_N_DROPS };

static inline struct neigh_table *neigh_table(const struct dp *dp)
{
	return dp_slot(dp, &neigh_module);
}

static inline struct neigh_worker *neigh_worker(const struct worker *w)
{
	return worker_slot(w, &neigh_module);
}
