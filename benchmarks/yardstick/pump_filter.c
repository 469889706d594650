/*
 * pump_filter - the floor for a *filtering* proxy: the byte pump of pump.c, plus what a filter
 * cannot do without. Each message's header is parsed in place; calls from the client and signals
 * from the bus are looked up by (interface, path) in a hash table of rules; a denied call is
 * answered with AccessDenied; allowed messages that lie side by side are forwarded in one
 * sendmsg, without being copied, and bodies stream through without being collected first.
 *
 * A yardstick, not a proxy: no validation to speak of, no reply tracking, descriptors of
 * denied messages are not dropped, the rules are built in (N rules, the last one matches).
 *
 * With READY_FD in the environment, one byte goes to that descriptor once LISTEN accepts; with
 * FILLER_PATHS, each rule but the last is about a path of its own too.
 *
 * usage: pump_filter LISTEN_PATH UPSTREAM_PATH [RULES [each]]
 * 'each' sends every message by itself, to show what batching is worth.
 *
 * Build: cc -O2 -Wall -Wextra -o pump_filter pump_filter.c
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
#include <sys/uio.h>
#include <sys/un.h>
#include <unistd.h>

#define CHUNK (256u << 10)
#define MAX_IOV 64
#define CTL_SIZE CMSG_SPACE(253 * sizeof(int))

struct str { const char *p; uint32_t n; };
struct rule { struct str iface, path; uint64_t hash; };

struct end {
	int fd;
	bool is_client, binary, dead, allow;
	uint32_t events;
	struct end *other;
	uint8_t *buf; size_t len;         /* read from here, not decided yet */
	size_t left;                      /* bytes of the current message still to come */
	uint8_t *rest; size_t rest_off, rest_len, rest_cap; /* decided, other->fd did not take it */
};

static int epfd;
static struct rule *table;
static size_t table_mask;
static bool each;
static struct end *graveyard[256];
static unsigned ngraves;

static inline uint32_t get32(const uint8_t *p) { uint32_t v; memcpy(&v, p, 4); return v; }
static inline void put32(uint8_t *p, uint32_t v) { memcpy(p, &v, 4); }
static inline size_t align(size_t n, size_t a) { return (n + a - 1) & ~(a - 1); }

static uint64_t hash(struct str a, struct str b)
{
	uint64_t h = 0xcbf29ce484222325u;
	for (uint32_t i = 0; i < a.n; i++)
		h = (h ^ (uint8_t)a.p[i]) * 0x100000001b3u;
	for (uint32_t i = 0; i < b.n; i++)
		h = (h ^ (uint8_t)b.p[i]) * 0x100000001b3u;
	return h;
}

static bool same(struct str a, struct str b) { return a.n == b.n && !memcmp(a.p, b.p, a.n); }

static void add_rule(struct str iface, struct str path)
{
	uint64_t h = hash(iface, path);
	size_t i = h & table_mask;
	while (table[i].iface.p)
		i = (i + 1) & table_mask;
	table[i] = (struct rule){ iface, path, h };
}

static bool allowed(struct str iface, struct str path)
{
	uint64_t h = hash(iface, path);
	for (size_t i = h & table_mask; table[i].iface.p; i = (i + 1) & table_mask)
		if (table[i].hash == h && same(table[i].iface, iface) && same(table[i].path, path))
			return true;
	return false;
}

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

/* Keeps bytes for e->other until it takes them. */
static void keep(struct end *e, const void *p, size_t n)
{
	if (e->rest_off + e->rest_len + n > e->rest_cap) {
		memmove(e->rest, e->rest + e->rest_off, e->rest_len);
		e->rest_off = 0;
		while (e->rest_len + n > e->rest_cap)
			e->rest_cap = e->rest_cap ? 2 * e->rest_cap : CHUNK;
		e->rest = realloc(e->rest, e->rest_cap);
	}
	memcpy(e->rest + e->rest_off + e->rest_len, p, n);
	e->rest_len += n;
}

/* AccessDenied, as if it came from e's peer: goes out to e->fd by way of e->other's queue. */
static void deny(struct end *e, uint32_t serial)
{
	static const char name[] = "org.freedesktop.DBus.Error.AccessDenied";
	uint8_t m[128] = { 'l', 3, 1, 1 };
	put32(m + 8, UINT32_MAX - serial);
	memcpy(m + 16, "\5\1u", 4);
	put32(m + 20, serial);
	memcpy(m + 24, "\4\1s", 4);
	put32(m + 28, sizeof name - 1);
	memcpy(m + 32, name, sizeof name);
	put32(m + 12, 16 + sizeof name);
	keep(e->other, m, align(32 + sizeof name, 8));
}

/* Decides on the message whose complete header is at p. */
static bool decide(struct end *e, const uint8_t *p)
{
	static const struct str bus = { "org.freedesktop.DBus", 20 };
	struct str path = { 0 }, iface = { 0 }, dest = { 0 };
	size_t at = 16, end = 16 + (size_t)get32(p + 12);
	uint8_t type = p[1];

	while (at < end) {
		at = align(at, 8);
		uint8_t code = p[at], sig = p[at + 2];
		at += 4;
		if (sig == 'u') {
			at += 4;
			continue;
		}
		struct str s;
		if (sig == 'g') {
			s = (struct str){ (const char *)p + at + 1, p[at] };
			at += 2 + s.n;
		} else {
			s = (struct str){ (const char *)p + at + 4, get32(p + at) };
			at += 5 + (size_t)s.n;
		}
		if (code == 1)
			path = s;
		else if (code == 2)
			iface = s;
		else if (code == 6)
			dest = s;
	}
	if (type == 2 || type == 3)
		return true;
	if (e->is_client ? same(dest, bus) : same(iface, bus))
		return true;
	if (allowed(iface, path))
		return true;
	if (e->is_client && type == 1 && !(p[2] & 1))
		deny(e, get32(p + 8));
	return false;
}

static bool send_ranges(struct end *e, struct iovec *iov, int n, struct msghdr *ctl)
{
	if (!n)
		return true;
	if (!e->rest_len) {
		struct msghdr mh = { .msg_iov = iov, .msg_iovlen = (size_t)n };
		if (ctl->msg_controllen) {
			mh.msg_control = ctl->msg_control;
			mh.msg_controllen = ctl->msg_controllen;
		}
		ssize_t r = sendmsg(e->other->fd, &mh, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (r < 0 && errno != EAGAIN)
			return false;
		for (; r > 0; iov++, n--) {
			if ((size_t)r < iov->iov_len) {
				iov->iov_base = (uint8_t *)iov->iov_base + r;
				iov->iov_len -= (size_t)r;
				break;
			}
			r -= (ssize_t)iov->iov_len;
		}
	}
	for (; n > 0; iov++, n--)
		keep(e, iov->iov_base, iov->iov_len);
	return true;
}

static void on_readable(struct end *e)
{
	union { char b[CTL_SIZE]; struct cmsghdr align; } ctl;
	struct iovec in = { e->buf + e->len, CHUNK - e->len }, iov[MAX_IOV];
	struct msghdr mh = { .msg_iov = &in, .msg_iovlen = 1, .msg_control = ctl.b,
		.msg_controllen = sizeof ctl.b };
	ssize_t n = recvmsg(e->fd, &mh, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	size_t pos = 0;
	int k = 0;
	bool ok = true;

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		drop(e);
		return;
	}
	e->len += (size_t)n;
	if (!e->binary) {
		iov[k++] = (struct iovec){ e->buf, e->len };
		uint8_t *b = e->is_client ? memmem(e->buf, e->len, "BEGIN\r\n", 7) : NULL;
		if (b) {
			pos = (size_t)(b - e->buf) + 7;
			iov[0].iov_len = pos;
			e->binary = e->other->binary = true;
		} else {
			pos = e->len;
		}
	}
	while (pos < e->len) {
		uint8_t *p = e->buf + pos;
		size_t avail = e->len - pos;
		if (!e->left) {
			if (avail < 16)
				break;
			size_t header = align(16 + (size_t)get32(p + 12), 8);
			if (header > CHUNK || p[0] != 'l') {
				drop(e);
				return;
			}
			if (avail < header)
				break;
			e->allow = decide(e, p);
			e->left = header + get32(p + 4);
		}
		size_t take = e->left < avail ? e->left : avail;
		if (e->allow) {
			if (!each && k && (uint8_t *)iov[k - 1].iov_base + iov[k - 1].iov_len == p) {
				iov[k - 1].iov_len += take;
			} else {
				if (k == (each ? 1 : MAX_IOV)) {
					ok &= send_ranges(e, iov, k, &mh);
					mh.msg_controllen = 0;
					k = 0;
				}
				iov[k++] = (struct iovec){ p, take };
			}
		}
		pos += take;
		e->left -= take;
	}
	ok &= send_ranges(e, iov, k, &mh);
	mh.msg_controllen = k ? mh.msg_controllen : 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&mh); c; c = CMSG_NXTHDR(&mh, c))
		if (c->cmsg_type == SCM_RIGHTS)
			for (size_t i = 0; i < (c->cmsg_len - CMSG_LEN(0)) / sizeof(int); i++)
				close(((int *)CMSG_DATA(c))[i]);
	memmove(e->buf, e->buf + pos, e->len - pos);
	e->len -= pos;
	/* errors to the client: only between two messages of the other stream */
	if (ok && e->other->rest_len && !e->other->left) {
		ssize_t r = send(e->fd, e->other->rest + e->other->rest_off, e->other->rest_len,
				 MSG_NOSIGNAL | MSG_DONTWAIT);
		if (r > 0) {
			e->other->rest_off += (size_t)r;
			e->other->rest_len -= (size_t)r;
		}
	}
	if (!ok) {
		drop(e);
		return;
	}
	watch(e);
	watch(e->other);
}

static void on_writable(struct end *e)
{
	struct end *src = e->other;
	ssize_t r = send(e->fd, src->rest + src->rest_off, src->rest_len, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (r < 0 && errno != EAGAIN) {
		drop(e);
		return;
	}
	if (r > 0) {
		src->rest_off += (size_t)r;
		src->rest_len -= (size_t)r;
	}
	watch(e);
	watch(src);
}

static struct end *end_new(int fd, bool is_client)
{
	struct end *e = calloc(1, sizeof *e);
	struct epoll_event ev = { .events = EPOLLIN, .data.ptr = e };
	e->fd = fd;
	e->is_client = is_client;
	e->events = EPOLLIN;
	e->buf = malloc(CHUNK);
	epoll_ctl(epfd, EPOLL_CTL_ADD, fd, &ev);
	return e;
}

static void end_free(struct end *e)
{
	free(e->buf);
	free(e->rest);
	free(e);
}

int main(int argc, char **argv)
{
	struct sockaddr_un here = { .sun_family = AF_UNIX }, up = { .sun_family = AF_UNIX };
	struct epoll_event ev[64] = { { .events = EPOLLIN } };
	size_t rules = argc > 3 ? strtoul(argv[3], NULL, 10) : 1;

	if (argc < 3)
		return 1;
	each = argc > 4;
	signal(SIGPIPE, SIG_IGN);
	for (table_mask = 16; table_mask < 2 * rules; table_mask *= 2)
		;
	table = calloc(table_mask--, sizeof *table);
	static const struct str path = { "/com/example/Load", 17 };
	for (size_t i = 0; i + 1 < rules; i++) {
		char *s;
		int n = asprintf(&s, "com.example.Filler%zu", i);
		struct str at = path;
		if (getenv("FILLER_PATHS")) {
			char *own;
			at.n = (uint32_t)asprintf(&own, "/com/example/Filler%zu", i);
			at.p = own;
		}
		add_rule((struct str){ s, (uint32_t)n }, at);
	}
	add_rule((struct str){ "com.example.Load", 16 }, path);
	strncpy(here.sun_path, argv[1], sizeof here.sun_path - 1);
	strncpy(up.sun_path, argv[2], sizeof up.sun_path - 1);
	epfd = epoll_create1(EPOLL_CLOEXEC);
	int ls = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	unlink(here.sun_path);
	if (bind(ls, (struct sockaddr *)&here, sizeof here) || listen(ls, 4096) ||
	    epoll_ctl(epfd, EPOLL_CTL_ADD, ls, ev)) {
		perror("pump_filter");
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
				int b = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
				if (a < 0 || connect(b, (struct sockaddr *)&up, sizeof up)) {
					close(a);
					close(b);
					continue;
				}
				struct end *x = end_new(a, true), *y = end_new(b, false);
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
			end_free(e->other);
			end_free(e);
		}
	}
}
