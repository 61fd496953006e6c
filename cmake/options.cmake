# Warnings, sanitizers and the interface target that every module links.
add_library(vs_options INTERFACE)
target_compile_features(vs_options INTERFACE cxx_std_20)
target_compile_options(vs_options INTERFACE
  -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wsign-conversion -Wnon-virtual-dtor
  -Woverloaded-virtual -Wold-style-cast -Wcast-align -Wunused -Wnull-dereference -Wformat=2
  -Wimplicit-fallthrough -Wno-missing-field-initializers $<$<BOOL:${VS_WERROR}>:-Werror>)
# __int128 and ##__VA_ARGS__-free macros only; GCC's -Wnull-dereference at -O2 sees through inlined
# library code, so it stays a Clang check.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # -Wrestrict: GCC 12 sees overlap in std::string operator+ at -O3 (GCC bug 105651).
  target_compile_options(vs_options INTERFACE -Wno-null-dereference -Wno-restrict -Wno-pedantic)
else()
  target_compile_options(vs_options INTERFACE -Wno-pedantic)
endif()
if(VS_SANITIZE)
  target_compile_options(vs_options INTERFACE -fsanitize=${VS_SANITIZE} -fno-sanitize-recover=all
                         -fno-omit-frame-pointer)
  target_link_options(vs_options INTERFACE -fsanitize=${VS_SANITIZE})
  # GCC warns of fences, which its thread sanitizer does not see; Boost.Asio has one.
  if(VS_SANITIZE STREQUAL "thread" AND CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    target_compile_options(vs_options INTERFACE -Wno-tsan)
  endif()
endif()
if(VS_FUZZ)
  target_compile_options(vs_options INTERFACE -fsanitize=fuzzer-no-link)
endif()
if(NOT CMAKE_CXX_COMPILER_LAUNCHER)
  find_program(CCACHE ccache)
  if(CCACHE)
    set(CMAKE_CXX_COMPILER_LAUNCHER ${CCACHE})
  endif()
endif()
