/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The doctor's round: a table of checks, made one after the other, and how they read the machine and
 * tell what they found. Runs once, on the main thread, before anything is started. A check looks at
 * files only, below a root of the caller's choice, so that tests can make machines up. What it
 * cannot read it takes for absent.
 */
#include "doctor.h"

#include <dirent.h>
#include <errno.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "doctor_priv.h"

/* Reading */

#define PATH_FORMAT(path, v, fmt)                                                                  \
	do {                                                                                       \
		va_list path_ap;                                                                   \
		va_start(path_ap, fmt);                                                            \
		visit_path(v, path, fmt, path_ap);                                                 \
		va_end(path_ap);                                                                   \
	} while (0)

static void visit_path(
	const struct visit *v, char path[static VISIT_PATH_MAX], const char *fmt, va_list ap)
{
	int len = snprintf(path, VISIT_PATH_MAX, "%s", v->doctor->root);

	if (len < VISIT_PATH_MAX)
		vsnprintf(path + len, (size_t)(VISIT_PATH_MAX - len), fmt, ap);
}

/* The first line of a file that begins with `start`; what follows goes to line. */
static bool read_line(const char *path, const char *start, char line[static VISIT_LINE_MAX])
{
	FILE *in = fopen(path, "re");
	size_t len = strlen(start);
	bool is_found = false;

	line[0] = '\0';
	if (in == NULL)
		return false;
	while (!is_found && fgets(line, VISIT_LINE_MAX, in) != NULL)
		is_found = strncmp(line, start, len) == 0;
	fclose(in);
	if (is_found)
		memmove(line, line + len, strlen(line + len) + 1);
	else
		line[0] = '\0';
	line[strcspn(line, "\n")] = '\0';
	return is_found;
}

bool visit_read(const struct visit *v, char line[static VISIT_LINE_MAX], const char *fmt, ...)
{
	char path[VISIT_PATH_MAX];

	PATH_FORMAT(path, v, fmt);
	return read_line(path, "", line);
}

bool visit_find(const struct visit *v, char line[static VISIT_LINE_MAX], const char *path,
	const char *start)
{
	char full[VISIT_PATH_MAX];

	snprintf(full, sizeof(full), "%s%s", v->doctor->root, path);
	return read_line(full, start, line);
}

long visit_number(const struct visit *v, long other, const char *fmt, ...)
{
	char path[VISIT_PATH_MAX], line[VISIT_LINE_MAX], *end;
	long value;

	PATH_FORMAT(path, v, fmt);
	if (!read_line(path, "", line))
		return other;
	value = strtol(line, &end, 0);
	return end != line ? value : other;
}

bool visit_exists(const struct visit *v, const char *fmt, ...)
{
	char path[VISIT_PATH_MAX];

	PATH_FORMAT(path, v, fmt);
	return access(path, F_OK) == 0;
}

bool visit_link(const struct visit *v, char name[static VISIT_PATH_MAX], const char *fmt, ...)
{
	char path[VISIT_PATH_MAX], target[VISIT_PATH_MAX];
	const char *slash;
	ssize_t len;

	PATH_FORMAT(path, v, fmt);
	name[0] = '\0';
	len = readlink(path, target, sizeof(target) - 1);
	if (len < 0)
		return false;
	target[len] = '\0';
	slash = strrchr(target, '/');
	strcpy(name, slash != NULL ? slash + 1 : target);
	return true;
}

bool visit_may_open(const struct visit *v, const char *path)
{
	char full[VISIT_PATH_MAX];

	snprintf(full, sizeof(full), "%s%s", v->doctor->root, path);
	return access(full, R_OK | W_OK) == 0;
}

void visit_each(struct visit *v, const char *path, visit_name_fn *fn, void *ctx)
{
	char full[VISIT_PATH_MAX];
	struct dirent **entries;
	int n;

	snprintf(full, sizeof(full), "%s%s", v->doctor->root, path);
	n = scandir(full, &entries, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		if (entries[i]->d_name[0] != '.')
			fn(v, entries[i]->d_name, ctx);
		free(entries[i]);
	}
	if (n >= 0)
		free(entries);
}

void visit_cpus(const struct visit *v, const char *path, cpu_set_t *out)
{
	char line[VISIT_LINE_MAX];
	char *at = line;

	CPU_ZERO(out);
	visit_read(v, line, "%s", path);
	while (*at >= '0' && *at <= '9') {
		unsigned long first = strtoul(at, &at, 10), last = first;

		if (*at == '-')
			last = strtoul(at + 1, &at, 10);
		for (unsigned long cpu = first; cpu <= last && cpu < CPU_SETSIZE; cpu++)
			CPU_SET(cpu, out);
		at += *at == ',';
	}
}

bool doctor_has_address(const char *interface)
{
	struct ifaddrs *list;
	bool is_found = false;

	if (getifaddrs(&list) != 0)
		return true; /* better to take a free NIC for a used one */
	for (const struct ifaddrs *i = list; i != NULL && !is_found; i = i->ifa_next) {
		if (i->ifa_addr == NULL || strcmp(i->ifa_name, interface) != 0)
			continue;
		if (i->ifa_addr->sa_family == AF_INET6)
			is_found = !IN6_IS_ADDR_LINKLOCAL(
				&((const struct sockaddr_in6 *)(const void *)i->ifa_addr)
					 ->sin6_addr);
		else
			is_found = i->ifa_addr->sa_family == AF_INET;
	}
	freeifaddrs(list);
	return is_found;
}

/* Telling */

static void visit_note_fatal(struct visit *v)
{
	size_t len = strlen(v->fatal);

	if (v->n_fatal++ == 0 || strstr(v->fatal, v->check->name) == NULL)
		snprintf(v->fatal + len, sizeof(v->fatal) - len, "%s%s", len > 0 ? ", " : "",
			v->check->name);
}

void visit_tell(struct visit *v, enum doctor_level level, const char *mend, const char *fmt, ...)
{
	static const char *const words[] = {
		[DOCTOR_OK] = "ok",
		[DOCTOR_WARN] = "warn",
		[DOCTOR_MISSING] = "missing",
		[DOCTOR_FATAL] = "missing",
	};
	FILE *out = v->doctor->out;
	va_list ap;

	fprintf(out, "%-8s %-14s ", words[level], v->check->name);
	va_start(ap, fmt);
	vfprintf(out, fmt, ap);
	va_end(ap);
	fputc('\n', out);
	if (level == DOCTOR_FATAL)
		visit_note_fatal(v);
	if (level == DOCTOR_OK)
		return;
	if (!v->is_explained)
		fprintf(out, "%24s%s\n", "", v->check->help);
	v->is_explained = true;
	if (mend[0] != '\0')
		fprintf(out, "%24smend: %s\n", "", mend);
}

/* The round */

static const struct doctor_check checks[] = {
	{ "processor", check_cpu, "weir is built for these instructions" },
	{ "memory", check_memory, "packet buffers and tables are allocated at start" },
	{ "hugepages", check_hugepages,
		"on ordinary pages most of the time goes into address lookups" },
	{ "iommu", check_iommu, "a NIC may only be driven from a process behind an IOMMU" },
	{ "vfio-pci", check_vfio, "the kernel's driver that hands NICs to DPDK" },
	{ "/dev/vfio", check_vfio_access, "NICs are opened through it" },
	{ "/dev/net/tun", check_tun, "ports of kind net_tap are made through it" },
	{ "nic", check_nics, "a NIC moves packets for weir or for the kernel, not for both" },
	{ "isolated cpus", check_isolation, "what else runs on a worker's CPU delays its packets" },
	{ "governor", check_governor, "a CPU that is clocked down is late for the first packets" },
	{ "thp", check_transparent_hugepages,
		"the kernel stops threads to move their pages together" },
	{ "clocksource", check_clocksource,
		"rates, timers and statistics count cycles of the TSC" },
	{ "memlock", check_memlock, "memory that NICs write to is locked" },
	{ "capabilities", check_capabilities, "some devices and all huge pages need privileges" },
	{ "links", check_links, "the configuration names this device" },
	{ NULL },
};

int doctor_run(const struct doctor *doctor)
{
	struct visit visit = { .doctor = doctor };

	for (visit.check = checks; visit.check->name != NULL; visit.check++) {
		visit.is_explained = false;
		visit.check->run(&visit);
	}
	free(visit.pmds);
	if (visit.n_fatal == 0) {
		fprintf(doctor->out, "weir can run here\n");
		return 0;
	}
	fprintf(doctor->out, "weir cannot run here: %s\n", visit.fatal);
	return -ENODEV;
}
