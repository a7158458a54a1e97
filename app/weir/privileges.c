/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Gives up what running does not need, once all that was to be opened is open and before the first
 * worker polls. Control thread, once.
 *
 * Capabilities and no_new_privs belong to a thread, and the EAL and its drivers have started theirs
 * by then. So every thread is made to give up its own, by a signal, as setuid(2) of libc does it.
 * libpsx would do the same, but in Debian 12 it only knows threads that were not started from within
 * a shared library.
 *
 * What is kept, and why, also stands in docs/service.md:
 *   CAP_NET_ADMIN  TAP devices: making one, its address, MTU and flags
 *   CAP_NET_RAW    devices over packet sockets (net_af_packet, net_pcap with iface=)
 *   CAP_IPC_LOCK   memory that is mapped for a device later, beyond RLIMIT_MEMLOCK
 *   CAP_SYS_ADMIN  only for devices without an IOMMU: their memory is found in /proc/self/pagemap
 * Files are no matter of capabilities: the user that weir runs as must own them, huge pages included.
 */
#include <dirent.h>
#include <errno.h>
#include <linux/capability.h>
#include <rte_eal.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "app.h"
#include "base/log.h"

enum { DROP_WAIT_MS = 2000 };

#define CAP_BIT(cap) (UINT64_C(1) << (cap))

/* Written before a signal is sent, read in its handler. */
static uint64_t drop_keep;
static _Atomic unsigned int n_dropped; /* threads that did; relaxed, only counted */
static _Atomic int drop_errno;	       /* of one that could not */

/* Of the calling thread. Safe in a signal handler: system calls only. */
static int drop_own(uint64_t keep)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];

	if (syscall(SYS_capget, &header, data) < 0)
		return errno;
	for (unsigned int i = 0; i < _LINUX_CAPABILITY_U32S_3; i++) {
		data[i].permitted &= (uint32_t)(keep >> (32 * i));
		data[i].effective = data[i].permitted;
		data[i].inheritable = 0;
	}
	if (syscall(SYS_capset, &header, data) < 0 || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return errno;
	return 0;
}

static void on_drop(int number)
{
	int saved_errno = errno, err = drop_own(drop_keep);

	if (err != 0)
		atomic_store_explicit(&drop_errno, err, memory_order_relaxed);
	atomic_fetch_add_explicit(&n_dropped, 1, memory_order_relaxed);
	errno = saved_errno;
}

/* Signals every other thread; returns how many there are. */
static unsigned int drop_others(int number)
{
	DIR *dir = opendir("/proc/self/task");
	const struct dirent *entry;
	unsigned int n = 0;

	if (dir == NULL)
		return 0;
	while ((entry = readdir(dir)) != NULL) {
		pid_t tid = atoi(entry->d_name);

		if (tid > 0 && tid != gettid() && tgkill(getpid(), tid, number) == 0)
			n++;
	}
	closedir(dir);
	return n;
}

static bool drop_has_reached(unsigned int n)
{
	static const struct timespec nap = { .tv_nsec = 1000000 };

	for (unsigned int i = 0; i < DROP_WAIT_MS; i++) {
		if (atomic_load_explicit(&n_dropped, memory_order_relaxed) == n)
			return true;
		nanosleep(&nap, NULL);
	}
	return false;
}

static int drop_all(void)
{
	struct sigaction action = { .sa_handler = on_drop, .sa_flags = SA_RESTART }, before;
	int number = SIGRTMIN, err;

	/* First: threads that this one starts from here on have nothing to give up. */
	err = drop_own(drop_keep);
	if (err != 0 || sigaction(number, &action, &before) < 0)
		return err != 0 ? err : errno;
	/* The handler stays where a thread may still have to take the signal: its default ends us. */
	if (!drop_has_reached(drop_others(number)))
		return ETIMEDOUT;
	sigaction(number, &before, NULL);
	return atomic_load_explicit(&drop_errno, memory_order_relaxed);
}

void privileges_drop(void)
{
	int err;

	drop_keep = CAP_BIT(CAP_NET_ADMIN) | CAP_BIT(CAP_NET_RAW) | CAP_BIT(CAP_IPC_LOCK);
	if (rte_eal_has_hugepages() && rte_eal_iova_mode() == RTE_IOVA_PA)
		drop_keep |= CAP_BIT(CAP_SYS_ADMIN);
	err = drop_all();
	if (err != 0)
		log_warn("privileges", "not all privileges were given up error=%s", strerror(err));
}
