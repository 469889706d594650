#include "wire.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#define FIXED_BYTES 16
#define INPUT_BYTES ((size_t)1 << 20)

static size_t align8(size_t n) { return (n + 7) & ~(size_t)7; }

void die(const char *format, ...)
{
	va_list list;
	va_start(list, format);
	fputs("load: ", stderr);
	vfprintf(stderr, format, list);
	fputc('\n', stderr);
	va_end(list);
	_Exit(1);
}

/* Reads one header field at offset `at`; returns the offset behind it, beyond `end` if it does not fit. */
static size_t read_field(const uint8_t *p, size_t at, size_t end, struct message *m)
{
	if (end - at < 6) /* the shortest is an empty signature; a word more is still padding or body */
		return end + 1;
	uint8_t code = p[at];
	char type = (char)p[at + 2];
	at += 4;
	if (type == 'u') {
		if (code == REPLY_SERIAL)
			m->reply_serial = get32(p + at);
		else if (code == UNIX_FDS)
			m->descriptors = get32(p + at);
		return at + 4;
	}
	if (type != 's' && type != 'o' && type != 'g')
		die("a header field of type '%c'", type);
	size_t prefix = type == 'g' ? 1 : 4;
	size_t length = type == 'g' ? p[at] : get32(p + at);
	if (code <= SIGNATURE)
		m->field[code] = (struct text){ (const char *)p + at + prefix, length };
	return at + prefix + length + 1;
}

size_t message_read(const uint8_t *p, size_t available, struct message *m)
{
	if (available < FIXED_BYTES)
		return 0;
	size_t fields_bytes = get32(p + 12), body_bytes = get32(p + 4);
	if (p[0] != 'l' || p[3] != 1 || fields_bytes > 1 << 16 || body_bytes > 1 << 27)
		die("received what is no message: %02x %02x %02x %02x, body %zu, fields %zu", p[0], p[1],
		    p[2], p[3], body_bytes, fields_bytes);
	size_t end = FIXED_BYTES + fields_bytes;
	size_t bytes = align8(end) + body_bytes;
	if (available < bytes)
		return 0;
	*m = (struct message){ .type = p[1], .flags = p[2], .serial = get32(p + 8),
		.body = p + align8(end), .body_bytes = body_bytes, .bytes = bytes };
	for (size_t at = FIXED_BYTES; at < end; at = align8(at))
		if ((at = read_field(p, at, end, m)) > end)
			die("a header field runs out of its header");
	return bytes;
}

struct header header_begin(uint8_t *p, uint8_t type, uint8_t flags, uint32_t serial)
{
	memcpy(p, (uint8_t[]){ 'l', type, flags, 1 }, 4);
	put32(p + 8, serial);
	return (struct header){ p, FIXED_BYTES };
}

static uint8_t *field_begin(struct header *h, uint8_t code, char type)
{
	size_t at = align8(h->at);
	memset(h->p + h->at, 0, at - h->at);
	memcpy(h->p + at, (uint8_t[]){ code, 1, (uint8_t)type, 0 }, 4);
	h->at = at + 4;
	return h->p + h->at;
}

void header_text(struct header *h, enum field code, char type, struct text value)
{
	uint8_t *p = field_begin(h, (uint8_t)code, type);
	size_t prefix = type == 'g' ? 1 : 4;
	if (type == 'g')
		*p = (uint8_t)value.length;
	else
		put32(p, (uint32_t)value.length);
	memcpy(p + prefix, value.bytes, value.length);
	p[prefix + value.length] = 0;
	h->at += prefix + value.length + 1;
}

void header_number(struct header *h, enum field code, uint32_t value)
{
	put32(field_begin(h, (uint8_t)code, 'u'), value);
	h->at += 4;
}

size_t header_end(struct header *h, size_t body_bytes)
{
	size_t bytes = align8(h->at);
	put32(h->p + 4, (uint32_t)body_bytes);
	put32(h->p + 12, (uint32_t)(h->at - FIXED_BYTES));
	memset(h->p + h->at, 0, bytes - h->at);
	return bytes;
}

size_t put_string(uint8_t *p, struct text s)
{
	put32(p, (uint32_t)s.length);
	memcpy(p + 4, s.bytes, s.length);
	p[4 + s.length] = 0;
	return 5 + s.length;
}

struct text get_string(const struct message *m)
{
	if (!m->field[SIGNATURE].length || m->field[SIGNATURE].bytes[0] != 's' || m->body_bytes < 5 ||
	    m->body_bytes - 5 < get32(m->body))
		die("expected a body that starts with a string");
	return (struct text){ (const char *)m->body + 4, get32(m->body) };
}

struct input input_new(void)
{
	struct input in = { .bytes = malloc(INPUT_BYTES), .capacity = INPUT_BYTES };
	if (!in.bytes)
		die("out of memory");
	return in;
}

void input_free(struct input *in)
{
	for (unsigned i = 0; i < in->descriptor_count; i++)
		close(in->descriptors[i]);
	free(in->bytes);
}

/* A message larger than the buffer gets a larger one, and the next ones the usual again. */
static void make_room(struct input *in)
{
	size_t left = in->length - in->start, wanted = INPUT_BYTES;
	if (left >= FIXED_BYTES) {
		const uint8_t *p = in->bytes + in->start;
		size_t bytes = align8(FIXED_BYTES + (size_t)get32(p + 12)) + get32(p + 4);
		while (p[3] == 1 && wanted < bytes && wanted < (size_t)1 << 27)
			wanted *= 2;
	}
	if (in->start)
		memmove(in->bytes, in->bytes + in->start, left);
	in->start = 0;
	in->length = left;
	if (wanted == in->capacity || wanted < left)
		return;
	if (!(in->bytes = realloc(in->bytes, wanted)))
		die("out of memory");
	in->capacity = wanted;
}

static void keep_descriptors(struct input *in, struct msghdr *mh)
{
	if (mh->msg_flags & MSG_CTRUNC)
		die("descriptors were lost");
	for (struct cmsghdr *c = CMSG_FIRSTHDR(mh); c; c = CMSG_NXTHDR(mh, c)) {
		unsigned n = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
		if (c->cmsg_type != SCM_RIGHTS)
			continue;
		if (in->descriptor_count + n > DESCRIPTORS_MAX)
			die("more descriptors than were sent");
		memcpy(in->descriptors + in->descriptor_count, CMSG_DATA(c), n * sizeof(int));
		in->descriptor_count += n;
	}
}

ssize_t input_receive(struct input *in, int fd, int flags)
{
	union { char bytes[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))]; struct cmsghdr aligned; } control;
	make_room(in);
	struct iovec room = { in->bytes + in->length, in->capacity - in->length };
	struct msghdr mh = { .msg_iov = &room, .msg_iovlen = 1, .msg_control = control.bytes,
		.msg_controllen = sizeof control.bytes };
	ssize_t n = recvmsg(fd, &mh, flags | MSG_CMSG_CLOEXEC);
	if (n > 0) {
		in->length += (size_t)n;
		if (mh.msg_controllen)
			keep_descriptors(in, &mh);
	}
	return n;
}

void input_take_descriptors(struct input *in, unsigned n, int *to)
{
	if (n > in->descriptor_count)
		die("a message of %u descriptors came with %u", n, in->descriptor_count);
	memcpy(to, in->descriptors, n * sizeof(int));
	in->descriptor_count -= n;
	memmove(in->descriptors, in->descriptors + n, in->descriptor_count * sizeof(int));
}

ssize_t send_with_descriptors(int fd, const void *bytes, size_t n, const int *descriptors, unsigned count)
{
	union { char bytes[CMSG_SPACE(DESCRIPTORS_MAX * sizeof(int))]; struct cmsghdr aligned; } control;
	struct iovec iov = { (void *)bytes, n };
	struct msghdr mh = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.bytes,
		.msg_controllen = CMSG_SPACE(count * sizeof(int)) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&mh);
	*c = (struct cmsghdr){ .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS,
		.cmsg_len = CMSG_LEN(count * sizeof(int)) };
	memcpy(CMSG_DATA(c), descriptors, count * sizeof(int));
	return sendmsg(fd, &mh, MSG_NOSIGNAL);
}

int unix_socket(const char *path, int (*use)(int, const struct sockaddr *, socklen_t))
{
	struct sockaddr_un there = { .sun_family = AF_UNIX };
	if (strlen(path) >= sizeof there.sun_path)
		die("%s: longer than a socket's path may be", path);
	strcpy(there.sun_path, path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || use(fd, (struct sockaddr *)&there, sizeof there))
		die("%s: %s", path, strerror(errno));
	return fd;
}
