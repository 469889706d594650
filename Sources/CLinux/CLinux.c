// Everything is in the header, as static inline functions, so that it is inlined into Swift.
#include "CLinux.h"
