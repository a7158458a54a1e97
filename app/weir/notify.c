/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Tells the service manager how we are, in the protocol of sd_notify(3): datagrams of NAME=VALUE
 * lines to the socket that NOTIFY_SOCKET names, a path or, with a leading '@', an abstract name.
 * Without that variable nothing happens. Control thread only.
 *
 * Nothing here waits: a manager that does not read loses a message, we lose no time.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "app.h"
#include "base/log.h"

enum { NOTIFY_TEXT_MAX = 256 };

/* The time within which the watchdog wants to hear from us; 0: it does not. */
static uint64_t watchdog_ns(void)
{
	const char *usec = getenv("WATCHDOG_USEC"), *pid = getenv("WATCHDOG_PID");

	if (usec == NULL || (pid != NULL && atoll(pid) != getpid()))
		return 0;
	return strtoull(usec, NULL, 10) * 1000;
}

void notify_init(struct notify *notify)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	size_t len = path != NULL ? strlen(path) : 0;
	socklen_t sun_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);

	*notify = (struct notify){ .fd = -1 };
	if (len < 2 || len >= sizeof(sun.sun_path) || (path[0] != '/' && path[0] != '@'))
		return;
	memcpy(sun.sun_path, path, len);
	if (path[0] == '@')
		sun.sun_path[0] = '\0';
	notify->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (notify->fd >= 0 && connect(notify->fd, (const struct sockaddr *)&sun, sun_len) == 0) {
		notify->watchdog_ns = watchdog_ns();
		return;
	}
	log_warn("notify", "the service manager is not there socket=%s error=%s", path,
		strerror(errno));
	notify_fini(notify);
}

void notify_fini(struct notify *notify)
{
	if (notify->fd >= 0)
		close(notify->fd);
	notify->fd = -1;
}

void notify_send(const struct notify *notify, const char *fmt, ...)
{
	char text[NOTIFY_TEXT_MAX];
	va_list ap;
	int len;

	if (notify->fd < 0)
		return;
	va_start(ap, fmt);
	len = vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	if (send(notify->fd, text, strnlen(text, (size_t)len), MSG_NOSIGNAL) < 0)
		log_warn("notify", "the service manager was not told error=%s", strerror(errno));
}

void notify_reloading(const struct notify *notify, uint64_t now_ns)
{
	notify_send(notify, "RELOADING=1\nMONOTONIC_USEC=%" PRIu64, now_ns / 1000);
}

void notify_tick(struct notify *notify, uint64_t now_ns)
{
	if (notify->watchdog_ns == 0 || now_ns - notify->petted_ns < notify->watchdog_ns / 2)
		return;
	notify->petted_ns = now_ns;
	notify_send(notify, "WATCHDOG=1");
}
