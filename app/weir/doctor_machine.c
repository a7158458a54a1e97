/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The doctor's checks of processor, memory and kernel. See doctor.c.
 */
#include <rte_common.h>
#include <stdlib.h>
#include <string.h>

#include "app.h"
#include "doctor_priv.h"

#define HUGE_2M "/sys/kernel/mm/hugepages/hugepages-2048kB"
#define HUGE_1G "/sys/kernel/mm/hugepages/hugepages-1048576kB"

/* Workers */

static bool cpu_is_listed(const struct number_set *list, int cpu)
{
	return cpu < 256 && number_set_has(list, (uint8_t)cpu);
}

/* The CPUs that workers will run on: those configured, else all but the first. */
static void worker_cpus(const struct visit *v, cpu_set_t *out)
{
	static const struct number_set none;
	const struct workers_conf *conf = conf_section(v->doctor->config, "workers")->objects[0];
	bool is_default = memcmp(&conf->lcores, &none, sizeof(none)) == 0, is_first = true;
	cpu_set_t online;

	visit_cpus(v, "/sys/devices/system/cpu/online", &online);
	CPU_ZERO(out);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!CPU_ISSET(cpu, &online))
			continue;
		if (is_default ? !is_first : cpu_is_listed(&conf->lcores, cpu))
			CPU_SET(cpu, out);
		is_first = false;
	}
}

static unsigned int need_mb(const struct visit *v)
{
	const struct memory_conf *memory = conf_section(v->doctor->config, "memory")->objects[0];
	cpu_set_t workers;

	worker_cpus(v, &workers);
	return boot_memory_mb(
		(unsigned int)RTE_MAX(CPU_COUNT(&workers), 1), (unsigned int)memory->mbufs);
}

static const char *cpus_text(const cpu_set_t *cpus, char *text, size_t size)
{
	size_t len = 0;

	text[0] = '\0';
	for (int first = 0; first < CPU_SETSIZE && len < size; first++) {
		int last = first;

		if (!CPU_ISSET(first, cpus))
			continue;
		while (last + 1 < CPU_SETSIZE && CPU_ISSET(last + 1, cpus))
			last++;
		len += (size_t)snprintf(text + len, size - len, last > first ? "%s%d-%d" : "%s%d",
			len > 0 ? "," : "", first, last);
		first = last;
	}
	return text;
}

/* Processor */

static bool has_word(const char *words, const char *word)
{
	size_t len = strlen(word);

	for (const char *at = strstr(words, word); at != NULL; at = strstr(at + 1, word))
		if ((at == words || at[-1] == ' ') && (at[len] == ' ' || at[len] == '\0'))
			return true;
	return false;
}

void check_cpu(struct visit *v)
{
	/* What Debian's DPDK is built for, and AVX for its promise that 16 bytes are one access. */
	static const char *const needed[] = { "ssse3", "sse4_1", "sse4_2", "popcnt", "avx" };
	char flags[VISIT_LINE_MAX];
	cpu_set_t workers;

	visit_find(v, flags, "/proc/cpuinfo", "flags\t\t:");
	for (unsigned int i = 0; i < RTE_DIM(needed); i++) {
		if (!has_word(flags, needed[i])) {
			visit_tell(v, DOCTOR_FATAL, "", "this processor has no %s", needed[i]);
			return;
		}
	}
	worker_cpus(v, &workers);
	if (CPU_COUNT(&workers) == 0)
		visit_tell(v, DOCTOR_WARN, "", "one CPU for workers and control together");
	else
		visit_tell(v, DOCTOR_OK, "", "%d CPUs for workers", CPU_COUNT(&workers));
}

void check_clocksource(struct visit *v)
{
	char line[VISIT_LINE_MAX], flags[VISIT_LINE_MAX];

	visit_find(v, flags, "/proc/cpuinfo", "flags\t\t:");
	if (!has_word(flags, "constant_tsc") || !has_word(flags, "nonstop_tsc")) {
		visit_tell(v, DOCTOR_WARN, "", "the TSC of this processor changes its rate");
		return;
	}
	visit_read(v, line, "/sys/devices/system/clocksource/clocksource0/current_clocksource");
	if (strcmp(line, "tsc") == 0)
		visit_tell(v, DOCTOR_OK, "", "tsc");
	else
		visit_tell(v, DOCTOR_WARN,
			"boot with tsc=reliable clocksource=tsc, if the processors' TSCs agree",
			"the kernel counts by %s", line[0] != '\0' ? line : "an unknown clock");
}

/* Memory */

void check_memory(struct visit *v)
{
	char line[VISIT_LINE_MAX];
	unsigned int need = need_mb(v);
	long free_mb, huge_mb;

	visit_find(v, line, "/proc/meminfo", "MemAvailable:");
	free_mb = strtol(line, NULL, 10) / 1024;
	huge_mb = 2 * visit_number(v, 0, HUGE_2M "/free_hugepages");
	if (free_mb >= need || huge_mb >= need)
		visit_tell(v, DOCTOR_OK, "", "%u MB needed, %ld MB available", need,
			RTE_MAX(free_mb, huge_mb));
	else
		visit_tell(v, DOCTOR_FATAL, "lower memory.mbufs in the configuration",
			"%u MB needed, %ld MB available", need, free_mb);
}

/* A node of a machine with several whose NICs would have to use another's memory. */
static void check_node(struct visit *v, const char *name, void *ctx)
{
	char mend[VISIT_PATH_MAX];

	if (strncmp(name, "node", 4) != 0 ||
		visit_number(v, 1,
			"/sys/devices/system/node/%s/hugepages/hugepages-2048kB/free_hugepages",
			name) > 0)
		return;
	snprintf(mend, sizeof(mend),
		"echo %u >/sys/devices/system/node/%s/hugepages/hugepages-2048kB/nr_hugepages",
		need_mb(v) / 2 + 1, name);
	visit_tell(v, DOCTOR_WARN, mend, "%s has none free", name);
}

void check_hugepages(struct visit *v)
{
	long n_free = visit_number(v, -1, HUGE_2M "/free_hugepages");
	long n_total = visit_number(v, -1, HUGE_2M "/nr_hugepages");
	long n_1g = visit_number(v, 0, HUGE_1G "/free_hugepages");
	long need = need_mb(v) / 2 + 1;
	char mend[64];

	if (n_free < 0 || n_total < 0) {
		visit_tell(v, DOCTOR_WARN, "", "this kernel has no 2 MB pages");
		return;
	}
	if (n_free < need) {
		snprintf(mend, sizeof(mend), "sysctl -w vm.nr_hugepages=%ld",
			n_total + need - n_free);
		visit_tell(v, DOCTOR_WARN, mend,
			"%ld of %ld pages of 2 MB free, %ld needed; as root weir asks for them at "
			"start",
			n_free, n_total, need);
		return;
	}
	visit_tell(v, DOCTOR_OK, "", "%ld of %ld pages of 2 MB free, %ld needed; %ld of 1 GB",
		n_free, n_total, need, n_1g);
	if (visit_exists(v, "/sys/devices/system/node/node1"))
		visit_each(v, "/sys/devices/system/node", check_node, NULL);
}

void check_transparent_hugepages(struct visit *v)
{
	char line[VISIT_LINE_MAX];

	if (visit_read(v, line, "/sys/kernel/mm/transparent_hugepage/enabled") &&
		strstr(line, "[always]") != NULL)
		visit_tell(v, DOCTOR_WARN,
			"echo madvise >/sys/kernel/mm/transparent_hugepage/enabled",
			"transparent huge pages are always made");
	else
		visit_tell(v, DOCTOR_OK, "", "made for those who ask, or never");
}

void check_memlock(struct visit *v)
{
	char line[VISIT_LINE_MAX], caps[VISIT_LINE_MAX];
	unsigned int need = need_mb(v);
	unsigned long long limit;
	bool may_exceed;

	visit_find(v, caps, "/proc/self/status", "CapEff:");
	may_exceed = strtoull(caps, NULL, 16) >> 14 & 1; /* CAP_IPC_LOCK */
	visit_find(v, line, "/proc/self/limits", "Max locked memory");
	limit = strtoull(line, NULL, 10);
	if (strstr(line, "unlimited") != NULL || may_exceed)
		visit_tell(v, DOCTOR_OK, "", "not limited");
	else if (limit >> 20 >= need)
		visit_tell(v, DOCTOR_OK, "", "%llu MB, %u needed", limit >> 20, need);
	else
		visit_tell(v, DOCTOR_WARN,
			"ulimit -l unlimited (LimitMEMLOCK=infinity in a unit of systemd)",
			"%llu MB may be locked, %u needed", limit >> 20, need);
}

/* Kernel */

void check_isolation(struct visit *v)
{
	cpu_set_t workers, isolated, tickless, online, both;
	char text[256], mend[1024];

	worker_cpus(v, &workers);
	visit_cpus(v, "/sys/devices/system/cpu/online", &online);
	visit_cpus(v, "/sys/devices/system/cpu/isolated", &isolated);
	visit_cpus(v, "/sys/devices/system/cpu/nohz_full", &tickless);
	if (CPU_COUNT(&workers) == 0 || CPU_EQUAL(&workers, &online)) {
		visit_tell(v, DOCTOR_OK, "", "workers use all CPUs, none can be theirs alone");
		return;
	}
	CPU_AND(&both, &isolated, &tickless);
	CPU_AND(&both, &both, &workers);
	cpus_text(&workers, text, sizeof(text));
	if (CPU_EQUAL(&both, &workers)) {
		visit_tell(v, DOCTOR_OK, "", "the workers' CPUs %s are theirs alone", text);
		return;
	}
	snprintf(mend, sizeof(mend), "boot with isolcpus=%s nohz_full=%s rcu_nocbs=%s", text, text,
		text);
	visit_tell(
		v, DOCTOR_WARN, mend, "the kernel runs other things on the workers' CPUs %s", text);
}

static void check_governor_of(struct visit *v, int cpu, unsigned int *n_slow)
{
	char line[VISIT_LINE_MAX];

	if (visit_read(v, line, "/sys/devices/system/cpu/cpu%d/cpufreq/scaling_governor", cpu) &&
		strcmp(line, "performance") != 0)
		(*n_slow)++;
}

void check_governor(struct visit *v)
{
	unsigned int n_slow = 0;
	cpu_set_t online;

	visit_cpus(v, "/sys/devices/system/cpu/online", &online);
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &online))
			check_governor_of(v, cpu, &n_slow);
	if (n_slow > 0)
		visit_tell(v, DOCTOR_WARN,
			"echo performance | tee "
			"/sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
			"%u CPUs are clocked down when idle", n_slow);
	else if (visit_exists(v, "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"))
		visit_tell(v, DOCTOR_OK, "", "performance");
	else
		visit_tell(v, DOCTOR_OK, "", "the kernel does not change clocks");
}

void check_capabilities(struct visit *v)
{
	static const struct {
		unsigned int bit;
		const char *name, *use;
	} wanted[] = {
		{ 12, "CAP_NET_ADMIN", "net_tap ports" },
		{ 14, "CAP_IPC_LOCK", "memory for NICs beyond the limit of memlock" },
		{ 21, "CAP_SYS_ADMIN", "asking the kernel for huge pages" },
	};
	char line[VISIT_LINE_MAX];
	unsigned long long caps;
	bool has_all = true;

	visit_find(v, line, "/proc/self/status", "CapEff:");
	caps = strtoull(line, NULL, 16);
	for (unsigned int i = 0; i < RTE_DIM(wanted); i++) {
		if (caps >> wanted[i].bit & 1)
			continue;
		has_all = false;
		visit_tell(v, DOCTOR_WARN,
			"run as root, or AmbientCapabilities= in a unit of systemd", "no %s: %s",
			wanted[i].name, wanted[i].use);
	}
	if (has_all)
		visit_tell(v, DOCTOR_OK, "", "all that weir uses");
}
