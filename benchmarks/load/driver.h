/*
 * driver - org.freedesktop.DBus, as much of it as a proxy or a client of ours asks. Used by bus.c.
 */
#pragma once
#include "bus.h"

void driver_call(struct connection *c, const struct message *call);
