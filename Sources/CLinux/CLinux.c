// Everything is in the headers, as static inline functions, so that it is inlined into Swift.
#include "CLinux.h"
