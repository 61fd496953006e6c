vs_fuzzer(NAME history SOURCES ${CMAKE_CURRENT_LIST_DIR}/history_fuzzer.cc DEPS history)
