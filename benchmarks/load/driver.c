#include "driver.h"
#include <stdio.h>

static unsigned connections;

static struct header answer(struct connection *c, const struct message *call, uint8_t type)
{
	return bus_answer(c, call, type, text(DRIVER_NAME));
}

static void error(struct connection *c, const struct message *call, const char *name)
{
	struct header h = answer(c, call, ERROR);
	header_text(&h, ERROR_NAME, 's', text(name));
	bus_queue(c, &h, NULL, 0);
}

static void answer_string(struct connection *c, const struct message *call, struct text s)
{
	struct header h = answer(c, call, METHOD_RETURN);
	uint8_t *body = bus_small_body();
	header_text(&h, SIGNATURE, 'g', text("s"));
	bus_queue(c, &h, body, put_string(body, s));
}

static void name_acquired(struct connection *c)
{
	struct header h = bus_signal(c);
	uint8_t *body = bus_small_body();
	header_text(&h, PATH, 'o', text(DRIVER_PATH));
	header_text(&h, INTERFACE, 's', text(DRIVER_NAME));
	header_text(&h, MEMBER, 's', text("NameAcquired"));
	header_text(&h, DESTINATION, 's', c->name);
	header_text(&h, SENDER, 's', text(DRIVER_NAME));
	header_text(&h, SIGNATURE, 'g', text("s"));
	bus_queue(c, &h, body, put_string(body, c->name));
}

static void hello(struct connection *c, const struct message *call)
{
	char *name;
	int length = asprintf(&name, ":1.%u", ++connections);
	if (length < 0)
		die("out of memory");
	c->name = (struct text){ name, (size_t)length };
	answer_string(c, call, c->name);
	name_acquired(c);
}

static void get_name_owner(struct connection *c, const struct message *call)
{
	struct text name = get_string(call);
	if (equal(name, text(SERVICE_NAME)) || equal(name, service_owner))
		answer_string(c, call, service_owner);
	else if (equal(name, text(DRIVER_NAME)) || equal(name, c->name))
		answer_string(c, call, name);
	else
		error(c, call, "org.freedesktop.DBus.Error.NameHasNoOwner");
}

static void list_names(struct connection *c, const struct message *call)
{
	struct text names[] = { text(DRIVER_NAME), text(SERVICE_NAME), service_owner, c->name };
	struct header h = answer(c, call, METHOD_RETURN);
	uint8_t *body = bus_small_body();
	size_t at = 4;
	header_text(&h, SIGNATURE, 'g', text("as"));
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		for (; at % 4; at++)
			body[at] = 0;
		at += put_string(body + at, names[i]);
	}
	put32(body, (uint32_t)at - 4);
	bus_queue(c, &h, body, at);
}

static void nothing(struct connection *c, const struct message *call)
{
	struct header h = answer(c, call, METHOD_RETURN);
	bus_queue(c, &h, NULL, 0);
}

void driver_call(struct connection *c, const struct message *call)
{
	static const struct { const char *member; void (*serve)(struct connection *, const struct message *); } methods[] = {
		{ "Hello", hello },
		{ "AddMatch", nothing },
		{ "RemoveMatch", nothing },
		{ "Ping", nothing },
		{ "GetNameOwner", get_name_owner },
		{ "ListNames", list_names },
	};
	for (size_t i = 0; i < sizeof methods / sizeof *methods; i++)
		if (equal(call->field[MEMBER], text(methods[i].member))) {
			methods[i].serve(c, call);
			return;
		}
	error(c, call, "org.freedesktop.DBus.Error.UnknownMethod");
}
