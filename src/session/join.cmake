# Sources of the clock join, for the session module (src/session/CMakeLists.txt includes this file).
set(VS_SESSION_JOIN_SOURCES evidence.cc join.cc join_beacons.cc join_binding.cc
    join_packets.cc join_pair.cc join_runs.cc
    join_tsc.cc)
set(VS_SESSION_JOIN_TESTS evidence_sort_test.cc evidence_test.cc join_nested_test.cc
    join_sources_test.cc join_test.cc)
