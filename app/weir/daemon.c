/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The running daemon: EAL, dataplane, configuration, workers, control socket, event loop, and all
 * of it backwards at the end. Everything here runs on the main thread, the control thread.
 */
#include <event2/event.h>
#include <rte_ethdev.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "app.h"
#include "base/log.h"
#include "base/mem.h"
#include "ctl/ctl.h"
#include "link/link.h"

enum {
	TICK_MS = 10,
	PASS_MS_MAX = 250, /* a worker that sleeps still passes ten times a second */
};

struct daemon {
	const struct config *config;
	struct event_base *events;
	struct event *tick, *wake, *sigterm, *sigint, *sighup;
	struct dp *dp;
	struct ctl *ctl;
	const struct command **tables; /* NULL-terminated, of all modules */
	struct boot_plan plan;
	struct notify notify;
	unsigned int until_idle_ms; /* 0: run until told to stop */
	uint64_t n_rx_seen;
	uint64_t passes_seen[WORKER_MAX];
	uint64_t passed_ns[WORKER_MAX]; /* when that was seen to change */
	uint64_t quiet_ns;		/* since when nothing has moved; 0: something does */
};

static uint64_t monotonic_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000 + (uint64_t)ts.tv_nsec;
}

/*
 * Nothing came in since the last look and nothing is held inside. A worker that has not had the CPU
 * for long has not asked its ports.
 */
static bool daemon_is_quiet(struct daemon *d)
{
	struct dp_totals totals;
	bool is_quiet;

	dp_totals(d->dp, &totals);
	is_quiet = totals.stats.rx == d->n_rx_seen && totals.stats.held == 0;
	d->n_rx_seen = totals.stats.rx;
	for (unsigned int i = 0; i < d->dp->n_workers; i++) {
		uint64_t passes = d->dp->workers[i]->passes;

		if (passes != d->passes_seen[i])
			d->passed_ns[i] = d->dp->now_ns;
		d->passes_seen[i] = passes;
		is_quiet = is_quiet &&
			   d->dp->now_ns - d->passed_ns[i] < (uint64_t)PASS_MS_MAX * 1000000;
	}
	return is_quiet;
}

/* Has each worker asked its ports since it became quiet? */
static bool daemon_has_asked(const struct daemon *d)
{
	for (unsigned int i = 0; i < d->dp->n_workers; i++)
		if (d->passed_ns[i] <= d->quiet_ns)
			return false;
	return true;
}

/* --until-idle: ends the daemon once it has been quiet for that long. */
static void daemon_watch_idle(struct daemon *d)
{
	if (!daemon_is_quiet(d))
		d->quiet_ns = 0;
	else if (d->quiet_ns == 0)
		d->quiet_ns = d->dp->now_ns;
	else if (d->dp->now_ns - d->quiet_ns >= (uint64_t)d->until_idle_ms * 1000000 &&
		 daemon_has_asked(d))
		event_base_loopbreak(d->events);
}

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	dp_tick(d->dp, monotonic_ns());
	notify_tick(&d->notify, d->dp->now_ns);
	if (d->until_idle_ms > 0)
		daemon_watch_idle(d);
}

static void on_wake(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	dp_drain_mail(d->dp);
}

static void daemon_tell_ready(const struct daemon *d)
{
	notify_send(&d->notify, "READY=1\nSTATUS=running, %u workers, %u links", d->dp->n_workers,
		conf_section(d->config, "links")->n_objects);
}

static void on_stop(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	log_notice("daemon", "stopping signal=%d", (int)fd);
	event_base_loopbreak(d->events);
}

static void on_reload(evutil_socket_t fd, short what, void *arg)
{
	struct daemon *d = arg;

	notify_reloading(&d->notify, monotonic_ns());
	log_warn("daemon", "reloading the configuration is not yet in weir, nothing changed");
	daemon_tell_ready(d);
}

static int daemon_init_events(struct daemon *d)
{
	static const struct timeval period = { .tv_usec = TICK_MS * 1000 };

	/* The kernel's word for more signals of a TAP than it keeps would end us until lib/link handles it. */
	signal(SIGIO, SIG_IGN);
	d->tick = event_new(d->events, -1, EV_PERSIST, on_tick, d);
	d->wake = event_new(d->events, d->dp->wake_fd, EV_READ | EV_PERSIST, on_wake, d);
	d->sigterm = evsignal_new(d->events, SIGTERM, on_stop, d);
	d->sigint = evsignal_new(d->events, SIGINT, on_stop, d);
	d->sighup = evsignal_new(d->events, SIGHUP, on_reload, d);
	if (d->tick == NULL || d->wake == NULL || d->sigterm == NULL || d->sigint == NULL ||
		d->sighup == NULL)
		return -ENOMEM;
	if (event_add(d->tick, &period) != 0 || event_add(d->wake, NULL) != 0 ||
		event_add(d->sigterm, NULL) != 0 || event_add(d->sigint, NULL) != 0 ||
		event_add(d->sighup, NULL) != 0)
		return -ENOMEM;
	return 0;
}

static void daemon_free_events(struct daemon *d)
{
	struct event *events[] = { d->tick, d->wake, d->sigterm, d->sigint, d->sighup };

	for (unsigned int i = 0; i < RTE_DIM(events); i++)
		if (events[i] != NULL)
			event_free(events[i]);
}

/* Serves the commands of all modules. */
static int daemon_listen(struct daemon *d)
{
	const struct control_conf *conf = conf_section(d->config, "control")->objects[0];
	char *path = conf_path(d->config, conf->socket);
	unsigned int n = 0;
	int err;

	d->tables = mem_zalloc((d->dp->n_modules + 1) * sizeof(*d->tables));
	for (unsigned int i = 0; i < d->dp->n_modules; i++)
		if (modules[i]->commands != NULL)
			d->tables[n++] = modules[i]->commands;
	err = ctl_create(d->events, d->dp, d->tables, &d->ctl);
	if (err == 0)
		err = ctl_listen(d->ctl, path, conf->group);
	if (err < 0)
		log_err("daemon", "no control socket path=%s error=%s", path, strerror(-err));
	free(path);
	return err;
}

static int daemon_apply(struct daemon *d)
{
	struct diag diag;
	int err;

	d->dp->config = (struct config *)(uintptr_t)d->config;
	diag_init(&diag, d->config->file);
	err = conf_apply(d->dp, d->config, &diag);
	diag_print(&diag, stderr);
	diag_fini(&diag);
	return err;
}

static int daemon_launch(struct daemon *d)
{
	int err = 0;

	for (unsigned int i = 0; i < d->plan.n_workers && err == 0; i++)
		err = dp_launch(d->dp, i, i + 1, d->plan.cpus[i]);
	if (err < 0)
		log_err("daemon", "a worker does not start error=%s", strerror(-err));
	return err;
}

/* The ladder: each rung is undone in reverse order below. */
int daemon_run(const struct config *config, unsigned int until_idle_ms)
{
	struct daemon d = { .config = config, .until_idle_ms = until_idle_ms };
	struct dp_conf conf = { .modules = modules, .stages = pipeline };
	int n_leaked, err;

	notify_init(&d.notify);
	err = boot_eal(config, &d.plan);
	if (err < 0)
		goto free_notify;
	d.events = event_base_new();
	if (d.events == NULL) {
		err = -ENOMEM;
		goto end_eal;
	}
	conf.events = d.events;
	conf.n_workers = d.plan.n_workers;
	conf.n_mbufs = d.plan.n_mbufs;
	conf.is_adaptive = d.plan.is_adaptive;
	err = dp_create(&conf, &d.dp);
	if (err == -ENOMEM)
		log_err("daemon", "no memory for workers and packet buffers workers=%u mbufs=%u",
			conf.n_workers, conf.n_mbufs);
	if (err < 0)
		goto free_events;
	d.dp->now_ns = monotonic_ns();
	err = daemon_init_events(&d);
	if (err == 0)
		err = daemon_apply(&d);
	if (err == 0)
		err = daemon_listen(&d);
	if (err == 0) {
		privileges_drop();
		/* Mail of workers may come before the first tick: timers must know the time. */
		dp_tick(d.dp, monotonic_ns());
		err = daemon_launch(&d);
	}
	if (err == 0) {
		log_notice("daemon", "running workers=%u links=%u", d.dp->n_workers,
			conf_section(config, "links")->n_objects);
		daemon_tell_ready(&d);
		event_base_dispatch(d.events);
		notify_send(&d.notify, "STOPPING=1");
	}

	dp_stop(d.dp);
	ctl_destroy(d.ctl);
	daemon_free_events(&d);
	n_leaked = dp_destroy(d.dp);
	if (err == 0 && n_leaked > 0)
		err = -EIO;
	free(d.tables);
free_events:
	event_base_free(d.events);
end_eal:
	boot_eal_end();
free_notify:
	notify_fini(&d.notify);
	return err;
}

/* A driver that makes up its packets, or a capture that is read again and again. */
static bool device_never_runs_dry(const char *device)
{
	static const char repeats[] = "infinite_rx=";
	const char *value = strstr(device, repeats);

	return strncmp(device, "net_null", strlen("net_null")) == 0 ||
	       strncmp(device, "eth_null", strlen("eth_null")) == 0 ||
	       (value != NULL && atoi(value + strlen(repeats)) > 0);
}

int daemon_check_until_idle(const struct config *config, struct diag *diag)
{
	const struct conf_section *links = conf_section(config, "links");
	char path[64];

	for (unsigned int i = 0; i < links->n_objects; i++) {
		const char *device = link_conf_device(links->objects[i]);

		if (!device_never_runs_dry(device))
			continue;
		snprintf(path, sizeof(path), "links[%u].device", i);
		conf_error(config, diag, path,
			"this port never runs dry: --until-idle would never end");
	}
	return diag->n_entries > 0 ? -EINVAL : 0;
}
