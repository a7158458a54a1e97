/* SPDX-License-Identifier: BSD-3-Clause */
#pragma once

/* The daemon's own parts: the two tables that tell its story, and how it starts. */
#include "base/addr.h"
#include "dp/conf.h"

extern const struct stage *const pipeline[]; /* pipeline.c */
extern struct module *const modules[];	     /* modules.c */
extern struct module boot_module;	     /* boot.c: settings that are needed before the EAL */
extern struct module pending_module; /* pending.c: the contract's words that are yet to come */

/* Lets modules extend each other's objects. Once per process, before a configuration is read. */
void modules_extend(void);

/* Settings of the sections workers, memory, control; as decoded. */
enum idle_mode { IDLE_ADAPTIVE, IDLE_POLL };
enum hugepages_mode { HUGEPAGES_AUTO, HUGEPAGES_OFF };

struct workers_conf {
	struct object_head head;
	struct number_set lcores; /* empty: every CPU but the first */
	int idle;		  /* enum idle_mode */
};

struct memory_conf {
	struct object_head head;
	int hugepages; /* enum hugepages_mode */
	int64_t mbufs;
};

struct control_conf {
	struct object_head head;
	char *socket;
	char *group;
};

/* Where workers run, decided from the configuration and this machine. */
struct boot_plan {
	unsigned int n_workers;
	int cpus[WORKER_MAX]; /* of worker i; it runs on EAL lcore i + 1 */
	bool is_adaptive;
	unsigned int n_mbufs;
};

/* What that many workers and packet buffers take. */
unsigned int boot_memory_mb(unsigned int n_workers, unsigned int n_mbufs);
/*
 * Brings the EAL up as the configuration says: lcores, memory, PCI devices, extra arguments.
 * -errno, with a line in the log.
 */
int boot_eal(const struct config *config, struct boot_plan *plan);
/* Ends the EAL and gives back huge pages that boot_eal() had taken from the kernel. */
void boot_eal_end(void);

/* daemon.c: runs a configuration until a signal; until_idle_ms > 0: or until nothing moves. */
int daemon_run(const struct config *config, unsigned int until_idle_ms);
/* -EINVAL with the reason in diag when a port of this configuration never runs dry. */
int daemon_check_until_idle(const struct config *config, struct diag *diag);

/* notify.c: what the service manager is told; without one nothing happens. */
struct notify {
	int fd;		      /* -1: nobody wants to know */
	uint64_t watchdog_ns; /* 0: there is no watchdog */
	uint64_t petted_ns;
};

void notify_init(struct notify *notify);
void notify_fini(struct notify *notify);
/* Lines of NAME=VALUE, as in sd_notify(3). */
void notify_send(const struct notify *notify, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
/* To be followed by READY=1. */
void notify_reloading(const struct notify *notify, uint64_t now_ns);
/* Pets the watchdog, twice in the time that it waits. */
void notify_tick(struct notify *notify, uint64_t now_ns);

/*
 * privileges.c: all threads keep only the capabilities that running needs, for good. The EAL must be
 * up. What cannot be given up is a warning in the log.
 */
void privileges_drop(void);

/* config_ctl.c */
extern const struct command config_commands[];
