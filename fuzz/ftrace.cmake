# The trace.dat reader's targets; included by fuzz/CMakeLists.txt.
vs_fuzzer(NAME tracedat SOURCES ${PROJECT_SOURCE_DIR}/fuzz/tracedat_file.cc DEPS reader_ftrace)
vs_fuzzer(NAME ftrace_format SOURCES ${PROJECT_SOURCE_DIR}/fuzz/ftrace_format.cc DEPS reader_ftrace)
vs_fuzzer(NAME ftrace_page SOURCES ${PROJECT_SOURCE_DIR}/fuzz/ftrace_page.cc
          DEPS reader_ftrace reader_ftrace_testing)
