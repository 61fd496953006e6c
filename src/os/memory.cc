#include "os/memory.h"

#include <malloc.h>

namespace vs::os {

void return_free_memory() { (void)::malloc_trim(0); }

}  // namespace vs::os
