# cmake -DDIST=FOLDER -DOUT=FILE -P embed_page.cmake: writes the files of DIST as a C++ source.
# What a name ends with decides its type; a file of an unknown type fails the build.
set(type_html "text/html; charset=utf-8")
set(type_js "text/javascript; charset=utf-8")
set(type_css "text/css; charset=utf-8")
set(type_svg "image/svg+xml")
set(type_png "image/png")
set(type_json "application/json")

file(GLOB_RECURSE files RELATIVE ${DIST} ${DIST}/*)
list(SORT files)
set(arrays "")
set(rows "")
set(number 0)
foreach(name ${files})
  get_filename_component(ending ${name} LAST_EXT)
  string(SUBSTRING "${ending}" 1 -1 ending)
  if(NOT DEFINED type_${ending})
    message(FATAL_ERROR "${DIST}/${name}: no type is known for .${ending}; add one to embed_page.cmake")
  endif()
  file(READ ${DIST}/${name} bytes HEX)
  string(REGEX REPLACE "(..)" "'\\\\x\\1'," bytes "${bytes}")
  string(APPEND arrays "constexpr char kFile${number}[] = {${bytes}};\n")
  string(APPEND rows "    PageFile{\"${name}\", \"${type_${ending}}\", text(kFile${number})},\n")
  math(EXPR number "${number} + 1")
endforeach()

set(text "// Made by cmake/embed_page.cmake from the built page.\n#include \"serve/page_files.h\"\n\nnamespace vs::serve {\n")
if(number GREATER 0)
  string(APPEND text "namespace {\n\n${arrays}
template <std::size_t N>
constexpr std::string_view text(const char (&file)[N]) {
  return {file, N};
}

constexpr PageFile kFiles[] = {
${rows}};

}  // namespace

std::span<const PageFile> page_files() { return kFiles; }
")
else()
  string(APPEND text "\nstd::span<const PageFile> page_files() { return {}; }\n")
endif()
string(APPEND text "\n}  // namespace vs::serve\n")
file(WRITE ${OUT} "${text}")
