/* SPDX-License-Identifier: BSD-3-Clause */

/*
 * The listening socket: its file, its owner and mode, and who may come in.
 *
 * The file gets its group and mode between bind() and listen(), so nobody can connect while they
 * are still wrong. What an earlier run left behind is told from a living daemon by connecting to
 * it. Two daemons that start within the same microseconds are not told apart.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "ctl/ctl_priv.h"

enum { LISTEN_BACKLOG = 128 };

static const char too_many[] = "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":"
			       "{\"code\":-32000,\"message\":\"too many clients\"}}\n";

static void listen_on_accept(struct evconnlistener *listener, evutil_socket_t fd,
	struct sockaddr *addr, int len, void *arg)
{
	struct ctl *ctl = arg;

	if (ctl->n_clients < CTL_CLIENTS_MAX) {
		client_create(ctl, fd);
		return;
	}
	log_warn("ctl", "client refused clients=%u", ctl->n_clients);
	/* A fresh socket has room for this line; if not, it is closed without a word. */
	if (send(fd, too_many, sizeof(too_many) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_debug("ctl", "refusal not sent errno=%d", errno);
	close(fd);
}

/* Out of descriptors: the pending connection stays pending, so asking again at once would spin. */
static void listen_on_error(struct evconnlistener *listener, void *arg)
{
	log_err("ctl", "cannot accept a client: %s", strerror(EVUTIL_SOCKET_ERROR()));
	evconnlistener_disable(listener);
}

void ctl_listen_resume(struct ctl *ctl)
{
	if (ctl->listener != NULL)
		evconnlistener_enable(ctl->listener);
}

void ctl_listen_stop(struct ctl *ctl)
{
	struct stat st;

	if (ctl->listener == NULL)
		return;
	evconnlistener_free(ctl->listener);
	ctl->listener = NULL;
	if (stat(ctl->path, &st) == 0 && st.st_dev == ctl->dev && st.st_ino == ctl->ino)
		unlink(ctl->path);
	free(ctl->path);
	ctl->path = NULL;
}

static int make_directories(const char *path)
{
	char *dir = mem_strdup(path);
	int err = 0;

	for (char *p = strchr(dir + 1, '/'); p != NULL && err == 0; p = strchr(p + 1, '/')) {
		*p = '\0';
		if (mkdir(dir, 0755) < 0 && errno != EEXIST)
			err = -errno;
		*p = '/';
	}
	free(dir);
	return err;
}

/* Does somebody answer there? 0: no, and whatever dead socket was there is gone. */
static int remove_stale(const struct sockaddr_un *sun)
{
	struct stat st;
	int fd, err;

	if (lstat(sun->sun_path, &st) < 0)
		return errno == ENOENT ? 0 : -errno;
	if (!S_ISSOCK(st.st_mode))
		return -EEXIST;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	err = connect(fd, (const struct sockaddr *)sun, sizeof(*sun)) < 0 ? errno : 0;
	close(fd);
	/* Anything but a refusal is a sign of life, also a backlog that is full (EAGAIN). */
	if (err != ECONNREFUSED)
		return -EADDRINUSE;
	return unlink(sun->sun_path) < 0 && errno != ENOENT ? -errno : 0;
}

static int group_lookup(const char *group, gid_t *out)
{
	const struct group *entry = getgrnam(group);

	if (entry == NULL)
		return -ENOENT;
	*out = entry->gr_gid;
	return 0;
}

/* A bound socket with the file's owner and mode as they should be; negative errno if not. */
static int bind_socket(const struct sockaddr_un *sun, gid_t gid, struct stat *st)
{
	const char *path = sun->sun_path;
	int fd, err;

	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (bind(fd, (const struct sockaddr *)sun, sizeof(*sun)) < 0) {
		err = -errno;
		goto err_close;
	}
	if ((gid != (gid_t)-1 && chown(path, (uid_t)-1, gid) < 0) || chmod(path, 0660) < 0 ||
		stat(path, st) < 0) {
		err = -errno;
		goto err_unlink;
	}
	return fd;

err_unlink:
	unlink(path);
err_close:
	close(fd);
	return err;
}

static int listen_start(struct ctl *ctl, int fd)
{
	ctl->listener = evconnlistener_new(ctl->base, listen_on_accept, ctl,
		LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, LISTEN_BACKLOG, fd);
	if (ctl->listener == NULL)
		return -ENOMEM;
	evconnlistener_set_error_cb(ctl->listener, listen_on_error);
	return 0;
}

int ctl_listen(struct ctl *ctl, const char *path, const char *group)
{
	struct sockaddr_un sun = { .sun_family = AF_UNIX };
	gid_t gid = (gid_t)-1;
	struct stat st;
	int fd, err = 0;

	if (strlen(path) >= sizeof(sun.sun_path))
		return -ENAMETOOLONG;
	strcpy(sun.sun_path, path);
	if (group != NULL)
		err = group_lookup(group, &gid);
	if (err == 0)
		err = make_directories(path);
	if (err == 0)
		err = remove_stale(&sun);
	if (err < 0)
		return err;
	fd = bind_socket(&sun, gid, &st);
	if (fd < 0)
		return fd;
	err = listen_start(ctl, fd);
	if (err < 0) {
		unlink(path);
		close(fd);
		return err;
	}
	ctl->path = mem_strdup(path);
	ctl->dev = st.st_dev;
	ctl->ino = st.st_ino;
	return 0;
}
