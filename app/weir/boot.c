/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * What is needed before anything else: the sections `workers`, `memory`, `eal` and `control`, and
 * bringing up the EAL from them. Called by main on the thread that becomes the control thread.
 *
 * Huge pages: free ones are used; when there are too few and we may, the kernel is asked for the
 * rest, which is given back at the end. Else weir runs on ordinary memory and says so in one line.
 */
#include <fcntl.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <sched.h>
#include <stdlib.h>
#include <unistd.h>

#include "app.h"
#include "base/log.h"
#include "base/mem.h"
#include "link/link.h"

#define HUGE_DIR "/sys/kernel/mm/hugepages/hugepages-2048kB/"

enum {
	EAL_ARGS_MAX = 128,
	MBUF_BYTES = 2560, /* an mbuf with metadata, headroom, data and its share of the pool */
	MBUF_PAGE_BYTES = 4096, /* in ordinary memory, where each has a page of its own */
	BASE_MEMORY_MB = 128,	/* tables, rings, device queues */
	WORKER_MEMORY_MB = 8,
};

/* Settings */

static const struct field workers_fields[] = {
	{ .name = "lcores",
		.type = FIELD_SET,
		.offset = offsetof(struct workers_conf, lcores),
		.help = "CPUs that run a worker each; every one but the first when left out" },
	{ .name = "idle",
		.type = FIELD_ENUM,
		.offset = offsetof(struct workers_conf, idle),
		.def = "adaptive",
		.enums =
			(const struct field_enum[]){
				{ "adaptive", IDLE_ADAPTIVE, "an idle worker sleeps" },
				{ "poll", IDLE_POLL, "a worker never sleeps" },
				{ 0 },
			},
		.help = "what a worker without packets does" },
	{ .type = FIELD_END },
};

static const struct object workers_object = {
	.name = "workers",
	.help = "threads that move packets",
	.size = sizeof(struct workers_conf),
	.fields = workers_fields,
};

static const struct field memory_fields[] = {
	{ .name = "hugepages",
		.type = FIELD_ENUM,
		.offset = offsetof(struct memory_conf, hugepages),
		.def = "auto",
		.enums =
			(const struct field_enum[]){
				{ "auto", HUGEPAGES_AUTO, "huge pages where they can be had" },
				{ "off", HUGEPAGES_OFF, "ordinary memory" },
				{ 0 },
			},
		.help = "kind of memory for packets and tables" },
	{ .name = "mbufs",
		.type = FIELD_INT,
		.offset = offsetof(struct memory_conf, mbufs),
		.min = 2048,
		.max = 16777216,
		.def = "65536",
		.help = "packet buffers" },
	{ .type = FIELD_END },
};

static const struct object memory_object = {
	.name = "memory",
	.help = "memory for packets and tables",
	.size = sizeof(struct memory_conf),
	.fields = memory_fields,
};

static const struct field control_fields[] = {
	{ .name = "socket",
		.type = FIELD_STRING,
		.offset = offsetof(struct control_conf, socket),
		.max = 100,
		.def = "/run/weir/control.sock",
		.help = "path of the control socket" },
	{ .name = "group",
		.type = FIELD_STRING,
		.offset = offsetof(struct control_conf, group),
		.max = 64,
		.help = "group that may use the control socket",
		.example = "weir" },
	{ .name = "metrics", .type = FIELD_PENDING, .help = "address of the metrics page" },
	{ .type = FIELD_END },
};

static const struct object control_object = {
	.name = "control",
	.help = "the control socket",
	.size = sizeof(struct control_conf),
	.fields = control_fields,
};

static void boot_print(struct dp *dp, FILE *out, const char *key, const struct object *object)
{
	fprintf(out, "%s: {\n", key);
	schema_print(out, object, conf_section(dp->config, key)->objects[0], 1);
	fprintf(out, "};\n");
}

static void workers_print(struct dp *dp, FILE *out)
{
	boot_print(dp, out, "workers", &workers_object);
}

static void memory_print(struct dp *dp, FILE *out)
{
	boot_print(dp, out, "memory", &memory_object);
}

static void control_print(struct dp *dp, FILE *out)
{
	boot_print(dp, out, "control", &control_object);
}

static void eal_print(struct dp *dp, FILE *out)
{
	const struct field_list *list = conf_section(dp->config, "eal")->scalars;
	char *const *args = list->items;

	fprintf(out, "eal = [");
	for (unsigned int i = 0; i < list->n; i++) {
		fprintf(out, "%s\"", i > 0 ? ", " : " ");
		for (const char *c = args[i]; *c != '\0'; c++)
			fprintf(out, *c == '"' || *c == '\\' ? "\\%c" : "%c", *c);
		fputc('"', out);
	}
	fprintf(out, " ];\n");
}

static const struct section boot_sections[] = {
	{ .key = "workers", .object = &workers_object, .print = workers_print },
	{ .key = "memory", .object = &memory_object, .print = memory_print },
	{ .key = "eal",
		.help = "further arguments for the EAL, as they are",
		.is_list = true,
		.item = FIELD_STRING,
		.print = eal_print },
	{ .key = "control", .object = &control_object, .print = control_print },
	{ .key = NULL },
};

struct module boot_module = {
	.name = "boot",
	.sections = boot_sections,
	.commands = config_commands,
};

/* CPUs */

/* Chooses the CPU of each worker. */
static int plan_cpus(
	const struct workers_conf *conf, const cpu_set_t *allowed, struct boot_plan *plan)
{
	static const struct number_set none;
	bool is_default = memcmp(&conf->lcores, &none, sizeof(none)) == 0;
	int first = -1;

	for (int cpu = 0; cpu < 256 && plan->n_workers < WORKER_MAX; cpu++) {
		bool is_allowed = CPU_ISSET(cpu, allowed);

		if (!is_default && number_set_has(&conf->lcores, (uint8_t)cpu) && !is_allowed) {
			log_err("boot",
				"workers.lcores names a CPU that this machine does not give cpu=%d",
				cpu);
			return -EINVAL;
		}
		if (!is_allowed)
			continue;
		if (first < 0)
			first = cpu;
		if (is_default ? cpu != first : number_set_has(&conf->lcores, (uint8_t)cpu))
			plan->cpus[plan->n_workers++] = cpu;
	}
	if (plan->n_workers == 0)
		plan->cpus[plan->n_workers++] = first;
	return 0;
}

/* "--lcores" for the plan: lcore 0 is the control thread, on the CPUs without a worker. */
static char *plan_lcores(const struct boot_plan *plan, const cpu_set_t *allowed)
{
	cpu_set_t main_cpus = *allowed;
	char *text;
	size_t len;
	FILE *out = open_memstream(&text, &len);
	const char *separator = "";

	for (unsigned int i = 0; i < plan->n_workers; i++)
		CPU_CLR(plan->cpus[i], &main_cpus);
	if (CPU_COUNT(&main_cpus) == 0)
		main_cpus = *allowed;
	fprintf(out, "0@(");
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (CPU_ISSET(cpu, &main_cpus)) {
			fprintf(out, "%s%d", separator, cpu);
			separator = ",";
		}
	}
	fprintf(out, ")");
	for (unsigned int i = 0; i < plan->n_workers; i++)
		fprintf(out, ",%u@%d", i + 1, plan->cpus[i]);
	fclose(out);
	return text;
}

/* Memory */

static unsigned int n_pages_taken; /* raised by us, given back at the end */

static long huge_read(const char *name)
{
	char path[128];
	long value = -1;
	FILE *in;

	snprintf(path, sizeof(path), HUGE_DIR "%s", name);
	in = fopen(path, "re");
	if (in == NULL)
		return -1;
	if (fscanf(in, "%ld", &value) != 1)
		value = -1;
	fclose(in);
	return value;
}

static void huge_write(long n_pages)
{
	FILE *out = fopen(HUGE_DIR "nr_hugepages", "we");

	if (out == NULL)
		return;
	fprintf(out, "%ld", n_pages);
	fclose(out);
}

/* Are need_mb of huge pages free, or can they be made so? */
static bool huge_get(unsigned int need_mb)
{
	long need = need_mb / 2 + 1;
	long n_free = huge_read("free_hugepages"), n_total = huge_read("nr_hugepages");

	if (n_free < 0 || n_total < 0)
		return false;
	if (n_free >= need)
		return true;
	huge_write(n_total + need - n_free);
	n_pages_taken = (unsigned int)RTE_MAX(huge_read("nr_hugepages") - n_total, 0L);
	if (huge_read("free_hugepages") >= need)
		return true;
	huge_write(n_total);
	n_pages_taken = 0;
	return false;
}

static void huge_give_back(void)
{
	if (n_pages_taken > 0)
		huge_write(huge_read("nr_hugepages") - (long)n_pages_taken);
	n_pages_taken = 0;
}

unsigned int boot_memory_mb(unsigned int n_workers, unsigned int n_mbufs)
{
	return BASE_MEMORY_MB + WORKER_MEMORY_MB * n_workers +
	       (unsigned int)((uint64_t)n_mbufs * MBUF_BYTES >> 20);
}

/* The EAL */

struct eal_args {
	char *argv[EAL_ARGS_MAX];
	int argc;
};

static void eal_arg(struct eal_args *args, char *text)
{
	if (args->argc < EAL_ARGS_MAX - 1)
		args->argv[args->argc++] = text;
}

static bool is_pci_address(const char *device)
{
	unsigned int domain, bus, slot, function;

	return sscanf(device, "%x:%x:%x.%x", &domain, &bus, &slot, &function) == 4 ||
	       sscanf(device, "%x:%x.%x", &bus, &slot, &function) == 3;
}

/* Only the PCI devices that links name are touched. */
static void eal_args_pci(struct eal_args *args, const struct config *config)
{
	const struct conf_section *links = conf_section(config, "links");
	bool has_pci = false;

	for (unsigned int i = 0; i < links->n_objects; i++) {
		const char *device = link_conf_device(links->objects[i]);

		if (device != NULL && is_pci_address(device)) {
			has_pci = true;
			eal_arg(args, mem_strdup("-a"));
			eal_arg(args, mem_strdup(device));
		}
	}
	/* Physical addresses, which take CAP_SYS_ADMIN to find out, are of no use without devices. */
	if (!has_pci) {
		eal_arg(args, mem_strdup("--no-pci"));
		eal_arg(args, mem_strdup("--iova-mode=va"));
	}
}

static void eal_args_memory(
	struct eal_args *args, const struct memory_conf *conf, const struct boot_plan *plan)
{
	unsigned int need_mb = boot_memory_mb(plan->n_workers, plan->n_mbufs);

	if (conf->hugepages == HUGEPAGES_AUTO && huge_get(need_mb)) {
		eal_arg(args, mem_strdup("--in-memory"));
		return;
	}
	if (conf->hugepages == HUGEPAGES_AUTO)
		log_warn("boot", "no huge pages to be had, running on ordinary memory need_mb=%u",
			need_mb);
	/* --in-memory means huge pages to the EAL; this is the same without them. */
	eal_arg(args, mem_strdup("--no-huge"));
	eal_arg(args, mem_strdup("--no-shconf"));
	need_mb += (unsigned int)((uint64_t)plan->n_mbufs * (MBUF_PAGE_BYTES - MBUF_BYTES) >> 20);
	eal_arg(args, mem_strdup("-m"));
	eal_arg(args, mem_printf("%u", need_mb));
}

static void eal_args_extra(struct eal_args *args, const struct config *config)
{
	const struct field_list *extra = conf_section(config, "eal")->scalars;
	char *const *items = extra->items;

	for (unsigned int i = 0; i < extra->n; i++) {
		/* Said by us already; the EAL refuses to hear it twice. */
		if (strcmp(items[i], "--no-pci") == 0 || strcmp(items[i], "--in-memory") == 0)
			continue;
		eal_arg(args, mem_strdup(items[i]));
	}
}

int boot_eal(const struct config *config, struct boot_plan *plan)
{
	const struct workers_conf *workers = conf_section(config, "workers")->objects[0];
	const struct memory_conf *memory = conf_section(config, "memory")->objects[0];
	struct eal_args args = { .argc = 0 };
	char *argv[EAL_ARGS_MAX];
	cpu_set_t allowed;
	int err;

	*plan = (struct boot_plan){
		.is_adaptive = workers->idle == IDLE_ADAPTIVE,
		.n_mbufs = (unsigned int)memory->mbufs,
	};
	if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
		return -errno;
	err = plan_cpus(workers, &allowed, plan);
	if (err < 0)
		return err;
	eal_arg(&args, mem_strdup("weir"));
	eal_arg(&args, mem_strdup("--log-level=*:warning"));
	eal_arg(&args, mem_strdup("--no-telemetry"));
	eal_arg(&args, mem_strdup("--main-lcore"));
	eal_arg(&args, mem_strdup("0"));
	eal_arg(&args, mem_strdup("--lcores"));
	eal_arg(&args, plan_lcores(plan, &allowed));
	eal_args_pci(&args, config);
	eal_args_memory(&args, memory, plan);
	eal_args_extra(&args, config);
	/* The EAL reorders what it is given. */
	memcpy(argv, args.argv, sizeof(argv));
	err = rte_eal_init(args.argc, argv) < 0 ? -rte_errno : 0;
	for (int i = 0; i < args.argc; i++)
		free(args.argv[i]);
	if (err < 0) {
		log_err("boot", "the EAL does not start error=%s", strerror(-err));
		huge_give_back();
	}
	return err;
}

void boot_eal_end(void)
{
	rte_eal_cleanup();
	huge_give_back();
}
