#pragma once
// Memory that the program no longer uses, for programs that go on for long after work that needed
// much.
//
// Threads: any.

namespace vs::os {

/// Gives what the allocator keeps free back to the system.
void return_free_memory();

}  // namespace vs::os
