/*
 * pump - the floor for a userspace proxy: a single-threaded epoll byte pump.
 *
 * Accepts on LISTEN, opens one connection to UPSTREAM per client, and copies bytes and
 * SCM_RIGHTS file descriptors both ways. It parses nothing and filters nothing. At most one
 * chunk per direction is held, so a slow reader stops its writer.
 *
 * With READY_FD in the environment, one byte goes to that descriptor once LISTEN accepts.
 *
 * usage: pump LISTEN_PATH UPSTREAM_PATH [CHUNK_BYTES]
 * Build: cc -O2 -Wall -Wextra -o pump pump.c
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define MAX_FDS 253
#define CTL_SIZE CMSG_SPACE(MAX_FDS * sizeof(int))

struct end {
	int fd;
	uint32_t events;
	struct end *other;
	/* a chunk read from here that other->fd did not take yet */
	uint8_t *rest;
	size_t rest_off, rest_len;
	bool dead;
};

static int epfd;
static size_t chunk = 256 << 10;
static uint8_t *scratch;
static struct end *graveyard[256];
static unsigned ngraves;

static void watch(struct end *e)
{
	uint32_t want = (e->rest_len ? 0 : EPOLLIN) | (e->other->rest_len ? EPOLLOUT : 0);
	if (want == e->events)
		return;
	struct epoll_event ev = { .events = want, .data.ptr = e };
	epoll_ctl(epfd, EPOLL_CTL_MOD, e->fd, &ev);
	e->events = want;
}

static void drop(struct end *e)
{
	if (e->dead)
		return;
	e->dead = e->other->dead = true;
	close(e->fd);
	close(e->other->fd);
	if (ngraves < 256)
		graveyard[ngraves++] = e;
}

/* Sends; returns how much went, or -1 if the connection is gone. Closes fds once sent. */
static ssize_t push(int fd, uint8_t *p, size_t n, struct msghdr *ctl)
{
	struct iovec iov = { p, n };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1 };
	if (ctl && ctl->msg_controllen) {
		mh.msg_control = ctl->msg_control;
		mh.msg_controllen = ctl->msg_controllen;
	}
	ssize_t r = sendmsg(fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
	return r >= 0 ? r : errno == EAGAIN ? 0 : -1;
}

static void on_readable(struct end *e)
{
	union { char b[CTL_SIZE]; struct cmsghdr align; } ctl;
	struct iovec iov = { scratch, chunk };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = ctl.b,
		.msg_controllen = sizeof ctl.b };
	ssize_t n = recvmsg(e->fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop(e);
		return;
	}
	ssize_t sent = push(e->other->fd, scratch, (size_t)n, &mh);
	while (sent == 0 && mh.msg_controllen) {
		/* fds must go with their bytes: block for this rare case */
		usleep(50);
		sent = push(e->other->fd, scratch, (size_t)n, &mh);
	}
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&mh); c; c = CMSG_NXTHDR(&mh, c))
		if (c->cmsg_type == SCM_RIGHTS)
			for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++)
				close(((int *)CMSG_DATA(c))[i]);
	if (sent < 0) {
		drop(e);
		return;
	}
	if (sent < n) {
		if (!e->rest)
			e->rest = malloc(chunk);
		e->rest_off = 0;
		e->rest_len = (size_t)(n - sent);
		memcpy(e->rest, scratch + sent, e->rest_len);
		watch(e);
		watch(e->other);
	}
}

static void on_writable(struct end *e)
{
	struct end *src = e->other;
	ssize_t sent = push(e->fd, src->rest + src->rest_off, src->rest_len, NULL);

	if (sent < 0) {
		drop(e);
		return;
	}
	src->rest_off += (size_t)sent;
	src->rest_len -= (size_t)sent;
	if (!src->rest_len) {
		watch(e);
		watch(src);
	}
}

static struct end *end_new(int fd)
{
	struct end *e = calloc(1, sizeof *e);
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = e };
	e->fd = fd;
	e->events = EPOLLIN;
	epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev);
	return e;
}

int main(int argc, char **argv)
{
	struct sockaddr_un here = { .sun_family = AF_UNIX }, up = { .sun_family = AF_UNIX };
	struct epoll_event ev[64] = { { .events = EPOLLIN } };

	if (argc < 3)
		return 1;
	if (argc > 3)
		chunk = strtoul(argv[3], NULL, 10);
	signal(SIGPIPE, SIG_IGN);
	strncpy(here.sun_path, argv[1], sizeof here.sun_path - 1);
	strncpy(up.sun_path, argv[2], sizeof up.sun_path - 1);
	scratch = malloc(chunk);
	epfd = epoll_create1(EPOLL_CLOEXEC);
	int ls = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	unlink(here.sun_path);
	if (bind(ls, (struct sockaddr *)&here, sizeof here) || listen(ls, 4096) ||
	    epoll_ctl(epfd, EPOLL_CTL_ADD, ls, ev)) {
		perror("pump");
		return 1;
	}
	if (getenv("READY_FD") && write(atoi(getenv("READY_FD")), "", 1) != 1)
		return 1;
	for (;;) {
		int n = epoll_wait(epfd, ev, 64, -1);
		for (int i = 0; i < n; i++) {
			struct end *e = ev[i].data.ptr;
			if (!e) {
				int a = accept4(ls, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
				if (a < 0)
					continue;
				int b = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
				if (connect(b, (struct sockaddr *)&up, sizeof up)) {
					close(a);
					close(b);
					continue;
				}
				struct end *x = end_new(a), *y = end_new(b);
				x->other = y;
				y->other = x;
				continue;
			}
			if (!e->dead && (ev[i].events & EPOLLOUT))
				on_writable(e);
			if (!e->dead && (ev[i].events & EPOLLIN))
				on_readable(e);
			else if (!e->dead && (ev[i].events & (EPOLLHUP | EPOLLERR)))
				drop(e);
		}
		while (ngraves) {
			struct end *e = graveyard[--ngraves];
			free(e->other->rest);
			free(e->other);
			free(e->rest);
			free(e);
		}
	}
}
