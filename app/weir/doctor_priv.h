/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* Between the doctor's files; nobody else includes this. */
#include <sched.h>
#include <stdint.h>

#include "doctor.h"

enum doctor_level {
	DOCTOR_OK,
	DOCTOR_WARN,	/* runs, but less well */
	DOCTOR_MISSING, /* something that some configurations need */
	DOCTOR_FATAL,	/* told as missing; without it nothing runs, or not this configuration */
};

struct visit {
	const struct doctor *doctor;
	const struct doctor_check *check; /* the one that is made now */
	bool is_explained;		  /* its help was printed */
	unsigned int n_fatal;
	char fatal[256]; /* names of checks */
	struct pmd *pmds;
	unsigned int n_pmds;
};

/* A row of the table of checks. */
struct doctor_check {
	const char *name;
	void (*run)(struct visit *v); /* calls visit_tell() for each finding */
	const char *help;	      /* why it matters */
};

/* A finding of the check that runs. mend: a command, "": there is none. */
void visit_tell(struct visit *v, enum doctor_level level, const char *mend, const char *fmt, ...)
	__attribute__((format(printf, 4, 5)));

/* Files below the root. Paths are absolute there. */
enum { VISIT_PATH_MAX = 512, VISIT_LINE_MAX = 4096 };
/* The first line without its newline; "" and false when it cannot be read. */
bool visit_read(const struct visit *v, char line[static VISIT_LINE_MAX], const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* A number from the first line, base 0; `other` when there is none. */
long visit_number(const struct visit *v, long other, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* The rest of the first line that begins so; "" and false: there is none. */
bool visit_find(const struct visit *v, char line[static VISIT_LINE_MAX], const char *path,
	const char *start);
bool visit_exists(const struct visit *v, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* The last component of what a symbolic link points to; "" and false: it is none. */
bool visit_link(const struct visit *v, char name[static VISIT_PATH_MAX], const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
/* May this process open it for reading and writing? */
bool visit_may_open(const struct visit *v, const char *path);
/* Calls fn with every name in a directory (not "." and ".."), sorted. */
typedef void visit_name_fn(struct visit *v, const char *name, void *ctx);
void visit_each(struct visit *v, const char *path, visit_name_fn *fn, void *ctx);
/* "0-3,8" as the kernel writes it. */
void visit_cpus(const struct visit *v, const char *path, cpu_set_t *out);

/* doctor_machine.c: processor, memory, kernel */
void check_cpu(struct visit *v);
void check_memory(struct visit *v);
void check_hugepages(struct visit *v);
void check_transparent_hugepages(struct visit *v);
void check_isolation(struct visit *v);
void check_governor(struct visit *v);
void check_clocksource(struct visit *v);
void check_memlock(struct visit *v);
void check_capabilities(struct visit *v);
/* doctor_nic.c: devices, and what DPDK needs of the kernel for them */
void check_iommu(struct visit *v);
void check_vfio(struct visit *v);
void check_vfio_access(struct visit *v);
void check_tun(struct visit *v);
void check_nics(struct visit *v);
void check_links(struct visit *v);
