/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * Changing the MTU of a link that runs. Control thread.
 *
 * Most devices take a new MTU as they are. One that does not (many drivers refuse while started;
 * any that was started for packets of one buffer has to learn to scatter) is stopped for it, while
 * everything else goes on: the link is published as not passing packets and its queues leave the
 * poll lists; a grace period later no worker can be inside the driver, so the port is stopped,
 * configured, started and given back. Packets that would leave by it meanwhile are dropped as
 * link_down. Neighbours and routes are not told: nothing of theirs changes but the MTU.
 *
 * Nobody waits: the grace period ends in a retire callback, which answers whoever asked. The
 * driver's own stop and start run on the control thread; they take what they take.
 */
#include "base/log.h"
#include "base/mem.h"
#include "link/link_priv.h"

struct mtu_change {
	struct dp *dp;
	struct link *link; /* NULL: gone meanwhile */
	uint16_t mtu;
	link_mtu_done_fn *done;
	void *ctx;
};

static void mtu_follow(struct link *link, void *ctx);

static void mtu_set(struct dp *dp, struct link *link, uint16_t mtu)
{
	link->mtu = mtu;
	link_each_upper(dp, link, mtu_follow, dp);
	log_notice("link", "mtu link=%s mtu=%u", link->name, mtu);
	link_changed(dp, link);
}

/* As in Linux, what stands on links has no larger MTU. */
void link_follow_mtu(struct dp *dp, struct link *link)
{
	uint16_t min, max;

	link->ops->mtu_range(dp, link, &min, &max);
	if (link->is_open && link->mtu > max)
		mtu_set(dp, link, max);
}

static void mtu_follow(struct link *link, void *ctx)
{
	link_follow_mtu(ctx, link);
}

/*
 * Restarts the port with the new MTU or, when that fails, with the old one. When that fails too the
 * link stays as it is, without a carrier; setting an MTU is how to try again.
 */
static int mtu_restart(struct dp *dp, struct link *link, uint16_t mtu)
{
	uint16_t old = link->mtu;
	int err, back;

	link->mtu = mtu;
	err = back = port_restart(dp, link);
	link->mtu = old;
	if (err < 0)
		back = port_restart(dp, link);
	if (back == 0) {
		link->is_paused = false;
		return err;
	}
	log_err("link", "the device does not start again link=%s error=%s", link->name,
		strerror(-back));
	link->is_running = false;
	link_changed(dp, link);
	return err;
}

/* No worker uses the port any more. */
static void mtu_on_released(void *ptr, uint64_t arg)
{
	struct mtu_change *change = ptr;
	struct link *link = change->link;
	int err;

	if (link == NULL) {
		free(change);
		return;
	}
	link->change = NULL;
	err = mtu_restart(change->dp, link, change->mtu);
	if (err == 0)
		mtu_set(change->dp, link, change->mtu);
	else
		link_publish(change->dp, link);
	change->done(change->ctx, link, err);
	free(change);
}

static void mtu_begin(
	struct dp *dp, struct link *link, uint16_t mtu, link_mtu_done_fn *done, void *ctx)
{
	struct mtu_change *change = mem_zalloc(sizeof(*change));

	*change =
		(struct mtu_change){ .dp = dp, .link = link, .mtu = mtu, .done = done, .ctx = ctx };
	link->change = change;
	link->is_paused = true;
	link_publish(dp, link);
	port_detach(dp, link);
	dp_retire(dp, mtu_on_released, change, 0);
}

int link_set_mtu(struct dp *dp, struct link *link, uint16_t mtu, link_mtu_done_fn *done, void *ctx)
{
	uint16_t min, max;
	int err;

	if (link->change != NULL)
		return -EALREADY;
	link->ops->mtu_range(dp, link, &min, &max);
	if (mtu < min || mtu > max)
		return -ERANGE;
	err = link->is_paused		   ? -EBUSY
	      : link->ops->set_mtu != NULL ? link->ops->set_mtu(dp, link, mtu)
					   : 0;
	if (err == 0 || err == -ENOTSUP) {
		mtu_set(dp, link, mtu);
		return 0;
	}
	if (err != -EBUSY)
		return err;
	mtu_begin(dp, link, mtu, done, ctx);
	return -EINPROGRESS;
}

void link_cancel_mtu(struct link *link)
{
	struct mtu_change *change = link->change;

	if (change == NULL)
		return;
	link->change = NULL;
	change->link = NULL;
	change->done(change->ctx, link, -ECANCELED);
}
