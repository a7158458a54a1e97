/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Packet trace, both sides. Worker: trace_receive() and trace_note() write into a single-producer
 * ring of records. Control thread: `weirctl trace` arms one buffer per worker by mail, reads
 * records on every tick, sends one notification per packet once it has come to its end, and
 * finishes when the wanted number of packets has been told or the client leaves.
 *
 * The steps of a packet that changes workers lie in several buffers, and one of them may be read
 * before an earlier step has come into another: steps are sorted by TSC, and a packet is told on
 * the tick after the one that saw its last step, when all that came before has been read.
 *
 * Ids go on from one trace to the next, so that a packet of an earlier one that was held meanwhile
 * (neighbour queue, ring) is not taken for one of this; they come round after 65535.
 *
 * Disarming is mail too; a buffer is freed through dp_retire() after that, so a worker never sees
 * one that is gone. One trace at a time: a second client gets EBUSY.
 */
#include "dp/trace.h"

#include <nss.h>
#include <pcap/pcap.h>

#include "base/mem.h"
#include "dp/dp_priv.h"

enum {
	TRACE_PACKETS_MAX = 1000, /* wanted at most */
	TRACE_STEPS_MAX = 32,	  /* records of one packet that are told */
	TRACE_LINGER_MS = 4000,	  /* a packet that is held longer than this is told as it is */
	TRACE_FILTER_MAX = 256,	  /* bytes: 10 kB of "or" take libpcap five seconds to compile */
};

/* What is known so far of one packet. */
struct trace_packet {
	uint16_t id;
	unsigned int n_steps;
	uint64_t seen_ns;
	uint64_t seen_tick; /* of the session */
	struct trace_record *steps;
};

struct trace_session {
	struct call *call;
	struct bpf_program program;
	bool has_program;
	unsigned int n_wanted, n_told;
	uint64_t n_ticks;
	uint16_t first_id, n_ids; /* that packets of this trace can have */
	struct trace *buffers[WORKER_MAX];
	struct trace_packet *packets;
	unsigned int n_packets;
};

/* Control state of the module. */
struct trace_state {
	struct trace_session *session; /* that runs, or NULL */
	uint16_t next_id;	       /* of the next trace */
};

/* Worker side */

/* The id under which this packet is traced from here on; 0: it is not. */
static uint16_t trace_pick(const struct worker *w, const struct rte_mbuf *m)
{
	struct trace *trace = w->trace;
	uint16_t id = trace->next_id;

	/* Before that, another worker may hand over leftovers that look like what is picked now. */
	if (atomic_load_explicit(&trace->first->n_armed, memory_order_relaxed) < trace->id_step ||
		trace->n_left == 0)
		return 0;
	if (trace->program != NULL &&
		bpf_filter(trace->program, rte_pktmbuf_mtod(m, const u_char *), m->pkt_len,
			m->data_len) == 0)
		return 0;
	trace->n_left--;
	trace->next_id += trace->id_step;
	return id;
}

static const struct trace_extra trace_no_extra = { .to = TRACE_NO_WORKER };

static void trace_write(struct worker *w, unsigned int stage, unsigned int exit, struct rte_mbuf *m,
	const struct pkt_meta *meta, uint16_t id, const struct trace_extra *extra)
{
	struct trace *trace = w->trace;
	uint32_t head = atomic_load_explicit(&trace->head, memory_order_relaxed);
	struct trace_record *record = &trace->records[head % TRACE_RECORDS];

	/* Pairs with the release in trace_read(): the slot has been read. */
	if (head - atomic_load_explicit(&trace->tail, memory_order_acquire) == TRACE_RECORDS) {
		trace->n_lost++;
		return;
	}
	record->tsc = rte_rdtsc(); /* of few packets: the pass's would not order two workers */
	record->w = w;
	record->id = id;
	record->stage = (uint8_t)stage;
	record->exit = (uint8_t)exit;
	record->extra = *extra;
	record->meta = *meta;
	record->pkt_len = m != NULL ? m->pkt_len : 0;
	record->bytes_len = m != NULL ? RTE_MIN(m->data_len, (uint16_t)TRACE_BYTES) : 0;
	if (m != NULL)
		memcpy(record->bytes, rte_pktmbuf_mtod(m, const void *), record->bytes_len);
	/* Pairs with the acquire in trace_read(): the record is whole. */
	atomic_store_explicit(&trace->head, head + 1, memory_order_release);
}

void trace_note(struct worker *w, unsigned int stage, unsigned int exit, struct rte_mbuf *m,
	const struct pkt_meta *meta, uint16_t id)
{
	trace_write(w, stage, exit, m, meta, id, &w->trace->told);
}

void trace_note_extra(struct worker *w, unsigned int stage, unsigned int exit, struct rte_mbuf *m,
	const struct trace_extra *extra)
{
	const struct pkt_meta *meta = pkt_meta(m);

	if (meta->trace != 0)
		trace_write(w, stage, exit, m, meta, meta->trace, extra);
}

void trace_note_all(struct worker *w, const struct stage_node *node, unsigned int exit,
	struct rte_mbuf *const *pkts, unsigned int n)
{
	for (unsigned int i = 0; i < n; i++)
		trace_note_extra(w, node->index, exit, pkts[i], &trace_no_extra);
}

void trace_note_dropped(
	struct worker *w, struct rte_mbuf *m, unsigned int reason, unsigned int stage)
{
	struct pkt_meta *meta = pkt_meta(m);

	meta->drop_reason = (uint16_t)reason;
	meta->drop_stage = (uint8_t)stage;
	trace_note_all(w, &w->nodes[w->drop_index], STAGE_CONSUMED, &m, 1);
}

void trace_receive(struct worker *w, const struct stage_node *node, unsigned int exit,
	struct rte_mbuf *const *pkts, unsigned int n, const struct trace_extra *extra)
{
	for (unsigned int i = 0; i < n; i++) {
		pkt_meta(pkts[i])->trace = trace_pick(w, pkts[i]);
		trace_note_extra(w, node->index, exit, pkts[i], extra);
	}
}

static void trace_on_arm(void *receiver, const struct mail *mail)
{
	struct worker *w = receiver;

	w->trace = (struct trace *)(uintptr_t)mail->arg[0];
	if (w->trace != NULL)
		atomic_fetch_add_explicit(&w->trace->first->n_armed, 1, memory_order_relaxed);
}

/* Control side */

static struct trace_state *trace_state(const struct dp *dp)
{
	return dp_slot(dp, &trace_module);
}

/*
 * A worker reads its mail at the start of a pass and is quiescent at the end of one, so one grace
 * period that begins after the mail is in its ring is enough (rcu_tick() sees to the order).
 */
static void session_destroy(struct dp *dp)
{
	struct trace_session *session = trace_state(dp)->session;
	struct mail disarm = { .fn = trace_on_arm };

	trace_state(dp)->session = NULL;
	dp_mail_all(dp, &disarm);
	for (unsigned int i = 0; i < dp->n_workers; i++)
		dp_retire_heap(dp, session->buffers[i]);
	if (session->has_program)
		dp_retire_heap(dp, session->program.bf_insns);
	for (unsigned int i = 0; i < session->n_packets; i++)
		free(session->packets[i].steps);
	free(session->packets);
	free(session);
}

static struct trace_packet *session_packet(struct trace_session *session, uint16_t id)
{
	for (unsigned int i = 0; i < session->n_packets; i++)
		if (session->packets[i].id == id)
			return &session->packets[i];
	session->packets =
		mem_realloc(session->packets, session->n_packets + 1, sizeof(*session->packets));
	session->packets[session->n_packets] = (struct trace_packet){ .id = id };
	return &session->packets[session->n_packets++];
}

/* Steps of one packet on two workers may be read in the wrong order. */
static void packet_add_step(struct trace_packet *packet, const struct trace_record *record)
{
	unsigned int i = packet->n_steps;

	if (i == TRACE_STEPS_MAX)
		return;
	packet->steps = mem_realloc(packet->steps, i + 1, sizeof(*record));
	for (; i > 0 && packet->steps[i - 1].tsc > record->tsc; i--)
		packet->steps[i] = packet->steps[i - 1];
	packet->steps[i] = *record;
	packet->n_steps++;
}

static void session_read(struct dp *dp, struct trace_session *session, struct trace *trace)
{
	uint32_t tail = atomic_load_explicit(&trace->tail, memory_order_relaxed);
	/* Pairs with the release in trace_note(). */
	uint32_t head = atomic_load_explicit(&trace->head, memory_order_acquire);

	for (; tail != head; tail++) {
		const struct trace_record *record = &trace->records[tail % TRACE_RECORDS];
		struct trace_packet *packet;

		if ((uint16_t)(record->id - session->first_id) >= session->n_ids)
			continue;
		packet = session_packet(session, record->id);
		packet->seen_ns = dp->now_ns;
		packet->seen_tick = session->n_ticks;
		packet_add_step(packet, record);
	}
	atomic_store_explicit(&trace->tail, tail, memory_order_release);
}

static const char *exit_name(const struct stage *stage, unsigned int exit)
{
	if (exit == STAGE_CONSUMED)
		return "-";
	return exit == STAGE_DROP ? "drop" : stage->exits[exit].name;
}

json_t *trace_step_json(const struct dp *dp, const struct trace_record *record)
{
	const struct stage *stage = dp->stages[record->stage];
	const struct drop_reason *reason;
	char decision[320], said[160] = "";

	if (stage->format != NULL)
		stage->format(record, said, sizeof(said));
	if (record->exit != STAGE_DROP) {
		snprintf(decision, sizeof(decision), "%s", said);
	} else {
		reason = dp->reasons[record->meta.drop_reason];
		snprintf(decision, sizeof(decision), "%s: %s%s%s", reason->name, reason->help,
			said[0] != '\0' ? "; " : "", said);
	}
	return json_pack("{s:s, s:s, s:s}", "node", stage->name, "exit",
		exit_name(stage, record->exit), "decision", decision);
}

static void print_bytes(FILE *out, const struct trace_record *record)
{
	fprintf(out, "  %u bytes:", record->pkt_len);
	for (uint32_t i = 0; i < record->bytes_len && i < 54; i++)
		fprintf(out, "%s%02x", i % 4 == 0 ? " " : "", record->bytes[i]);
	fputc('\n', out);
}

/* One notification: the steps as JSON, and the same as text for people. */
static json_t *packet_json(
	const struct dp *dp, const struct trace_packet *packet, unsigned int number)
{
	json_t *steps = json_array(), *event;
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);

	fprintf(out, "packet %u\n", number);
	print_bytes(out, &packet->steps[0]);
	for (unsigned int i = 0; i < packet->n_steps; i++) {
		json_t *step = trace_step_json(dp, &packet->steps[i]);

		fprintf(out, "  %-14s > %-12s %s\n",
			json_string_value(json_object_get(step, "node")),
			json_string_value(json_object_get(step, "exit")),
			json_string_value(json_object_get(step, "decision")));
		json_array_append_new(steps, step);
	}
	fclose(out);
	event = json_pack("{s:i, s:o, s:s}", "packet", number, "steps", steps, "text", text);
	free(text);
	return event;
}

/* Has the packet come to its end, as far as can be seen? A held one may still go on. */
static bool packet_is_done(
	const struct dp *dp, const struct trace_session *session, const struct trace_packet *packet)
{
	const struct trace_record *last = &packet->steps[packet->n_steps - 1];
	const struct stage *stage = dp->stages[last->stage];
	uint64_t age_ns = dp->now_ns - packet->seen_ns;

	if (packet->seen_tick == session->n_ticks)
		return false;
	if (last->exit == STAGE_CONSUMED && !stage->is_source &&
		(stage->exits[1].name == NULL || stage->is_end) &&
		last->extra.to == TRACE_NO_WORKER && strcmp(stage->name, "neigh_hold") != 0)
		return true;
	return age_ns > (uint64_t)TRACE_LINGER_MS * 1000000;
}

static void trace_tick(struct dp *dp, uint64_t now_ns)
{
	struct trace_session *session = trace_state(dp)->session;
	unsigned int i = 0;

	if (session == NULL)
		return;
	session->n_ticks++;
	for (unsigned int w = 0; w < dp->n_workers; w++)
		session_read(dp, session, session->buffers[w]);
	while (i < session->n_packets && session->n_told < session->n_wanted) {
		struct trace_packet *packet = &session->packets[i];

		if (!packet_is_done(dp, session, packet)) {
			i++;
			continue;
		}
		session->n_told++;
		call_notify(session->call, packet_json(dp, packet, session->n_told));
		free(packet->steps);
		*packet = session->packets[--session->n_packets];
	}
	if (session->n_told < session->n_wanted)
		return;
	session->call->result = json_pack("{s:i}", "packets", session->n_told);
	call_finish(session->call, 0);
	session_destroy(dp);
}

static void trace_fini(struct dp *dp)
{
	if (trace_state(dp)->session != NULL)
		session_destroy(dp);
}

static void trace_cancel(struct call *call, void *owner)
{
	session_destroy(owner);
}

/* The command */

struct trace_args {
	struct object_head head;
	int64_t count;
	char *filter;
};

static const struct object trace_args = {
	.name = "trace",
	.size = sizeof(struct trace_args),
	.fields =
		(const struct field[]){
			{ .name = "count",
				.type = FIELD_INT,
				.offset = offsetof(struct trace_args, count),
				.min = 1,
				.max = TRACE_PACKETS_MAX,
				.def = "10",
				.help = "end after this many packets" },
			{ .name = "filter",
				.type = FIELD_REST,
				.flags = FIELD_POSITIONAL,
				.offset = offsetof(struct trace_args, filter),
				.max = TRACE_FILTER_MAX,
				.help = "tcpdump expression that packets must match as received" },
			{ .type = FIELD_END },
		},
};

static int trace_compile(struct trace_session *session, struct call *call, const char *filter)
{
	pcap_t *pcap = pcap_open_dead(DLT_EN10MB, 65535);
	int err = 0;

	/* libpcap looks names up, and would wait for a DNS server that may lie behind ourselves. */
	__nss_configure_lookup("hosts", "files");
	__nss_configure_lookup("networks", "files");
	if (pcap == NULL)
		return -ENOMEM;
	if (pcap_compile(pcap, &session->program, filter, 1, PCAP_NETMASK_UNKNOWN) != 0)
		err = call_refuse(call, "filter: %s", pcap_geterr(pcap));
	else
		session->has_program = true;
	pcap_close(pcap);
	return err;
}

static void session_take_ids(struct dp *dp, struct trace_session *session)
{
	struct trace_state *state = trace_state(dp);

	static_assert(TRACE_PACKETS_MAX * WORKER_MAX < UINT16_MAX, "a trace's ids do not wrap");
	session->n_ids = (uint16_t)(session->n_wanted * dp->n_workers);
	/* 0 is no id. */
	if (state->next_id == 0 || state->next_id > UINT16_MAX - session->n_ids)
		state->next_id = 1;
	session->first_id = state->next_id;
	state->next_id += session->n_ids;
}

static void session_arm(struct dp *dp, struct trace_session *session)
{
	session_take_ids(dp, session);
	for (unsigned int i = 0; i < dp->n_workers; i++) {
		struct trace *trace = mem_zalloc(sizeof(*trace));
		struct mail arm = { .fn = trace_on_arm };

		trace->program = session->has_program ? session->program.bf_insns : NULL;
		trace->n_left = session->n_wanted;
		trace->next_id = (uint16_t)(session->first_id + i);
		trace->id_step = (uint16_t)dp->n_workers;
		session->buffers[i] = trace;
		trace->first = session->buffers[0];
		arm.arg[0] = (uintptr_t)trace;
		dp_mail(dp, dp->workers[i], &arm);
	}
}

static int trace_run(struct call *call, const void *args)
{
	const struct trace_args *a = args;
	struct trace_session *session;
	struct dp *dp = call->ctx;
	int err;

	if (trace_state(dp)->session != NULL)
		return call_fail(call, -EBUSY, "another trace is running");
	session = mem_zalloc(sizeof(*session));
	session->call = call;
	session->n_wanted = (unsigned int)a->count;
	if (a->filter != NULL && a->filter[0] != '\0') {
		err = trace_compile(session, call, a->filter);
		if (err < 0) {
			free(session);
			return err;
		}
	}
	trace_state(dp)->session = session;
	session_arm(dp, session);
	call_defer(call, trace_cancel, dp);
	return 0;
}

static const struct command trace_commands[] = {
	{ .object = "trace",
		.verb = "start",
		.help = "shows the way of packets through the stages, as they come",
		.args = &trace_args,
		.run = trace_run,
		.is_read_only = true,
		.is_stream = true },
	{ .object = NULL },
};

struct module trace_module = {
	.name = "trace",
	.commands = trace_commands,
	.state_size = sizeof(struct trace_state),
	.fini = trace_fini,
	.tick = trace_tick,
};
