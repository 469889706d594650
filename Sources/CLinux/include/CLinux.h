// What Swift cannot import: the CMSG macros, errno as a value, and calls that Glibc's module hides. One header per area.
//
// A function is one system call, or the few that answer one question. There are no loops but those of CMSG and of the signals that a child
// resets, and nothing is parsed: that is Swift's. Failures come back as -errno.
#pragma once

#include "clinux_epoll.h"
#include "clinux_sockets.h"
#include "clinux_credentials.h"
#include "clinux_files.h"
#include "clinux_process.h"
